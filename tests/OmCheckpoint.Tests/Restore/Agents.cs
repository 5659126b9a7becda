using OpenMosix.Checkpoint.Interop;
using OpenMosix.Checkpoint.Proc;
using OpenMosix.Checkpoint.Tracing;

namespace OpenMosix.Checkpoint.Tests.Restore;

internal static class Agents
{
    /// <summary>Where the agent lies in a process: executable anonymous memory of its size that begins with its magic.</summary>
    public static AgentArea AreaOf(int pid, uint slots)
    {
        var magic = new byte[8];
        return new AgentArea(new RemoteAddress(MemoryMap.Read(pid).Single(area => area.Executable && !area.IsFile && area.Bytes == AgentAbi.CodeBytes
            && RemoteMemory.Read(pid, new RemoteAddress(area.Start), magic, out _) == 0 && BitConverter.ToUInt64(magic) == AgentAbi.Magic).Start), slots);
    }
}
