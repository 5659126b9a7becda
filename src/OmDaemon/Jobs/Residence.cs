namespace OpenMosix.Daemon.Jobs;

public enum Place
{
    Native, // executes at home, nothing attached
    Moving,
    Away,   // the body is on another node, the deputy at home
}

/// <summary>Where the body of a process is. Key and epoch are 0 unless some part of it is or was about to be away.</summary>
/// <param name="Node">Where the body executes; while it moves, where it comes from.</param>
public sealed record Residence(Place Place, string Node, ulong Key, uint Epoch)
{
    public static Residence AtHome(string home) => new(Place.Native, home, 0, 0);
}
