using OpenMosix.Protocol.V1;

namespace OpenMosix.Checkpoint.Snapshot;

/// <summary>Whether a process could move, as far as that is seen without stopping it.</summary>
public static class Inspection
{
    /// <returns>null: nothing speaks against it.</returns>
    public static Refusal? Inspect(int pid) => throw new NotImplementedException();
}
