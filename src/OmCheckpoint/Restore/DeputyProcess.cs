using Microsoft.Win32.SafeHandles;
using OpenMosix.Checkpoint.Tracing;

namespace OpenMosix.Checkpoint.Restore;

/// <summary>A range of the skeleton to be dropped after Commit by madvise(Address, Bytes, Advice).</summary>
public readonly record struct DropRange(RemoteAddress Address, ulong Bytes, int Advice);

/// <summary>A thread of the deputy, which waits on its slot.</summary>
public readonly record struct DeputyThread(uint Slot, int Tid);

/// <summary>What Deputize left: the deputy runs, detached.</summary>
public sealed record DeputyProcess(
    int Pid,
    AgentArea Area,
    IReadOnlyList<DeputyThread> Threads,
    SafeFileHandle Arena,
    IReadOnlyList<DropRange> Drop) : IDisposable
{
    /// <summary>For how many threads there is room.</summary>
    public uint Slots => Area.Slots;

    /// <summary>Closes our end of the arena only.</summary>
    public void Dispose() => Arena.Dispose();
}
