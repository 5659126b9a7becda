using OpenMosix.Checkpoint.Interop;
using OpenMosix.Checkpoint.Proc;

namespace OpenMosix.Checkpoint.Tracing;

/// <summary>For how many threads the agent of a process is given room: more than it has, because a deputy makes threads too.</summary>
internal static class AgentRoom
{
    private const uint Usual = 1024;
    private const int UsualThreadsMax = 512;
    private const uint Least = 16;
    private const ulong Share = 2; // the area takes at most half of what the limits leave

    /// <summary>Where the limits of the process are too narrow for addresses by the gigabyte, or it keeps its memory locked (locked, the
    /// arena would be memory and not only addresses), it is not many more than there are.</summary>
    public static uint For(int pid, int threads)
    {
        var wanted = threads > UsualThreadsMax ? AgentAbi.SlotsMax : Usual;
        var status = ProcessStatus.Read(pid) ?? throw new TraceeException($"process {pid} is gone", Errno.ESRCH);
        var limits = ProcessLimits.Read(pid);
        var narrow = AgentAbi.AreaBytes(wanted) > Left(limits.AddressSpace, status.AddressSpaceBytes)
            || AgentAbi.ArenaOffset(wanted) > Left(limits.Data, status.DataBytes)
            || status.LockedBytes > 0;
        return narrow ? Math.Clamp((((uint)threads * 2) + Least - 1) / Least * Least, Least, AgentAbi.SlotsMax) : wanted;
    }

    private static ulong Left(ulong limit, ulong used) => limit > used ? (limit - used) / Share : 0;
}
