using OpenMosix.Checkpoint.Proc;
using OpenMosix.Checkpoint.Tracing;
using OpenMosix.Protocol.Errors;
using OpenMosix.Protocol.V1;
using ProcessStatus = OpenMosix.Checkpoint.Proc.ProcessStatus;

namespace OpenMosix.Checkpoint.Snapshot;

/// <summary>Whether a process could move, as far as that is seen without stopping it.</summary>
public static class Inspection
{
    /// <param name="memory">Shared memory whose users would all move together.</param>
    /// <returns>null: nothing speaks against it (or it is gone, which a freeze will say).</returns>
    public static Refusal? Inspect(int pid, SharedMemorySet memory)
    {
        var status = ProcessStatus.Read(pid);
        if (status is null)
        {
            return null;
        }

        if (ProcessRules.Check(pid, status) is { } refusal)
        {
            return refusal;
        }

        if (status.TracerPid != 0)
        {
            return Refusals.Traced(status.TracerPid);
        }

        try
        {
            return MemoryMap.ReadWithFlags(pid).Select(area => MappingRules.Check(area, memory)).FirstOrDefault(found => found is not null);
        }
        catch (TraceeException)
        {
            return null;
        }
    }
}
