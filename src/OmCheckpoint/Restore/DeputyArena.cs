using System.Buffers.Binary;
using System.Globalization;
using Microsoft.Win32.SafeHandles;
using OpenMosix.Checkpoint.Interop;
using OpenMosix.Checkpoint.Tracing;

namespace OpenMosix.Checkpoint.Restore;

/// <summary>What stands in an arena before its deputy's threads look at it (om_abi.h).</summary>
public static class DeputyArena
{
    /// <summary>The one that a deputy has mapped for its child, shared and anonymous, at this address: opened, and made ready for the child's only
    /// thread, in slot 0.</summary>
    /// <exception cref="IOException">It is not there, or cannot be opened (CAP_CHECKPOINT_RESTORE).</exception>
    public static SafeFileHandle ForChild(int pid, ulong address, AgentArea area)
    {
        var path = string.Create(CultureInfo.InvariantCulture, $"/proc/{pid}/map_files/{address:x}-{address + area.ArenaBytes:x}");
        var arena = File.OpenHandle(path, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite);
        RandomAccess.Write(arena, Slots(area), AgentAbi.ArenaSlots);
        RandomAccess.Write(arena, Slot(area, 0, 0), (long)AgentAbi.SlotOffset(0));
        return arena;
    }

    internal static byte[] Slots(AgentArea area)
    {
        var slots = new byte[sizeof(uint)];
        BinaryPrimitives.WriteUInt32LittleEndian(slots, area.Slots);
        return slots;
    }

    /// <summary>What the thread has to know of its slot, and the warden of the thread.</summary>
    internal static byte[] Slot(AgentArea area, uint slot, int tid)
    {
        var header = new byte[AgentAbi.SlotArena + sizeof(ulong)];
        BinaryPrimitives.WriteUInt32LittleEndian(header.AsSpan(AgentAbi.SlotIndex), slot);
        BinaryPrimitives.WriteInt32LittleEndian(header.AsSpan(AgentAbi.SlotTid), tid);
        BinaryPrimitives.WriteUInt64LittleEndian(header.AsSpan(AgentAbi.SlotData), area.DataOf(slot).Value);
        BinaryPrimitives.WriteUInt64LittleEndian(header.AsSpan(AgentAbi.SlotArena), area.Arena.Value);
        return header;
    }
}
