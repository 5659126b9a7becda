using Google.Protobuf;
using OpenMosix.Checkpoint.Interop;
using OpenMosix.Checkpoint.Proc;
using OpenMosix.Checkpoint.Tracing;
using OpenMosix.Protocol.V1;

namespace OpenMosix.Checkpoint.Snapshot;

/// <summary>What the kernel keeps about the address space as a whole (PR_SET_MM_MAP).</summary>
internal static class MemorySnapshot
{
    public static MemoryLayout Take(int pid, Agent agent)
    {
        var stat = ProcessStat.Read(pid);
        var batch = agent.NewBatch();
        var brk = batch.Add(CallNumber.brk, 0);
        var results = agent.Run(batch);
        return new MemoryLayout
        {
            StartCode = stat.StartCode,
            EndCode = stat.EndCode,
            StartData = stat.StartData,
            EndData = stat.EndData,
            StartBrk = stat.StartBrk,
            Brk = (ulong)results[brk],
            StartStack = stat.StartStack,
            ArgStart = stat.ArgStart,
            ArgEnd = stat.ArgEnd,
            EnvStart = stat.EnvStart,
            EnvEnd = stat.EnvEnd,
            Auxv = ByteString.CopyFrom(File.ReadAllBytes($"/proc/{pid}/auxv")),
        };
    }
}
