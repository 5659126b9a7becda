using System.Buffers.Binary;
using OpenMosix.Checkpoint.Interop;
using OpenMosix.Checkpoint.Tracing;

namespace OpenMosix.Checkpoint.Restore;

/// <summary>The ring into which the handler of a deputy's thread puts signals. Read while the deputy stands still: what lies between tail and head
/// reached no body. The slot is the job's own memory, so nothing in it is believed beyond the ring's size.</summary>
internal static class SignalRing
{
    public static List<byte[]> Take(Tracee tracee, RemoteAddress slot)
    {
        Span<byte> ends = stackalloc byte[2 * sizeof(uint)];
        tracee.Read(slot + AgentAbi.SlotSignalHead, ends);
        var head = BinaryPrimitives.ReadUInt32LittleEndian(ends);
        var tail = BinaryPrimitives.ReadUInt32LittleEndian(ends[sizeof(uint)..]);
        var signals = new List<byte[]>();
        for (var i = Math.Min(unchecked(head - tail), AgentAbi.SignalRing); i > 0; i--)
        {
            var info = new byte[Ptrace.SiginfoBytes];
            var index = unchecked(head - i) % AgentAbi.SignalRing;
            tracee.Read(slot + AgentAbi.SlotSignals + (index * AgentAbi.SignalBytes) + AgentAbi.SignalInfo, info);
            if (SignalQueue.SignalOf(info) is >= 1 and <= Signals.Count)
            {
                signals.Add(info);
            }
        }

        tracee.Write(slot + AgentAbi.SlotSignalTail, ends[..sizeof(uint)]);
        return signals;
    }
}
