using OpenMosix.Protocol.V1;

namespace OpenMosix.Daemon.Warden;

/// <summary>What the client tells the dispatcher, in order.</summary>
internal abstract record WardenHappening
{
    private WardenHappening() { }

    public sealed record Connected : WardenHappening;
    public sealed record Lost(string Why) : WardenHappening;
    public sealed record Said(FromWarden Message) : WardenHappening;
}
