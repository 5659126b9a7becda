using OpenMosix.Checkpoint.Interop;
using OpenMosix.Protocol.V1;

namespace OpenMosix.Checkpoint.Tracing;

/// <summary>The agent area of one process (om_abi.h): where it lies, and how many threads it has room for.</summary>
public readonly record struct AgentArea(RemoteAddress Base, uint Slots)
{
    public static AgentArea Of(ProcessImage image) => new(new RemoteAddress(image.AgentArea), image.AgentSlots);

    public ulong Bytes => AgentAbi.AreaBytes(Slots);

    public RemoteAddress End => Base + Bytes;

    /// <summary>The calls of a batch.</summary>
    public RemoteAddress Batch => Base + AgentAbi.BlockOffset + AgentAbi.BatchOffset;

    /// <summary>What they point at.</summary>
    public RemoteAddress BatchData => Base + AgentAbi.BlockOffset + AgentAbi.DataOffset;

    public RemoteAddress BatchStack => Base + AgentAbi.BlockOffset + AgentAbi.BatchStack;

    /// <summary>The stacks and TLS of a deputy's threads: slot 0's part.</summary>
    public RemoteAddress Threads => Base + AgentAbi.ThreadsOffset;

    public RemoteAddress Arena => Base + AgentAbi.ArenaOffset(Slots);

    public ulong ArenaBytes => AgentAbi.ArenaBytes(Slots);

    /// <summary>TLS of the deputy's thread, and the top of its stack.</summary>
    public RemoteAddress Tls(uint slot) => Threads + ((ulong)slot * AgentAbi.ThreadBytes) + AgentAbi.ThreadTls;

    public RemoteAddress Slot(uint slot) => Arena + AgentAbi.SlotOffset(slot);

    public RemoteAddress DataOf(uint slot) => Slot(slot) + AgentAbi.SlotHeaderBytes;
}
