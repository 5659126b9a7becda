using Google.Protobuf;
using OpenMosix.Checkpoint.Proc;
using OpenMosix.Protocol.V1;

namespace OpenMosix.Checkpoint.Snapshot;

/// <summary>What the kernel keeps about the address space as a whole (PR_SET_MM_MAP). The break only the process itself can ask.</summary>
internal static class MemorySnapshot
{
    public static MemoryLayout Take(int pid, ulong brk)
    {
        var stat = ProcessStat.Read(pid);
        return new MemoryLayout
        {
            StartCode = stat.StartCode,
            EndCode = stat.EndCode,
            StartData = stat.StartData,
            EndData = stat.EndData,
            StartBrk = stat.StartBrk,
            Brk = brk,
            StartStack = stat.StartStack,
            ArgStart = stat.ArgStart,
            ArgEnd = stat.ArgEnd,
            EnvStart = stat.EnvStart,
            EnvEnd = stat.EnvEnd,
            Auxv = ByteString.CopyFrom(File.ReadAllBytes($"/proc/{pid}/auxv")),
        };
    }
}
