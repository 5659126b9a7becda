// What a hosting warden asks of home's beyond plain calls (om_remote_ask → home_structural). Little endian, fixed layout: the slot of the thread
// that wants it (uint32), then what belongs to the kind. The peer is authenticated but not trusted: lengths are checked where they are read.
using System.Buffers.Binary;

namespace OpenMosix.Warden.Structure;

internal static class HomeRequest
{
    /// <summary>int32 signal: the body died of it.</summary>
    internal const uint Signalled = 1;
    /// <summary>int32 status: the body called exit_group.</summary>
    internal const uint Exit = 2;
    /// <summary>int32 signal, int32 disposition, uint64 flags: the body's disposition has another class now.</summary>
    internal const uint Disposition = 3;
    /// <summary>ExecuteRequest.</summary>
    internal const uint Execute = 4;
    /// <summary>uint64 flags of clone(2): the thread makes another one. Reply: int64 result, uint32 slot, int32 tid.</summary>
    internal const uint Clone = 5;
    /// <summary>int32 status: the thread ends.</summary>
    internal const uint ThreadExit = 6;

    /// <summary>uint64 flags of clone(2): the thread makes a process. Reply: int64 pid or -errno, uint64 key of the new one, int32 pidfd (CLONE_PIDFD), 4
    /// unused. Its body is expected here with epoch 1.</summary>
    internal const uint Fork = 7;
    /// <summary>int32 unused: what the thread was given last has no body and never will.</summary>
    internal const uint ForkUndone = 8;

    /// <summary>uint64 address, bytes, protection, flags of mmap(2): shared anonymous memory there. Reply: int64 result, uint64 device, uint64 inode of it.</summary>
    internal const uint MapMemory = 9;

    /// <summary>uint64 device, inode, offset, bytes; then as many bytes of data, or none: zeros. What the memory of a file (MappedFile.written) has there.</summary>
    internal const uint WriteBack = 10;
    /// <summary>uint64 device, inode: all of it has been written back, and nobody has it mapped here any more.</summary>
    internal const uint GiveUpFile = 11;

    /// <summary>Result of Execute: the body is to come home first, and call again.</summary>
    internal const long ComesHome = 1;
    internal const int MapMemoryReplyBytes = 24;
    internal const int SlotBytes = 4;
    internal const int ForkReplyBytes = 24;

    internal static byte[] Of(uint slot, ReadOnlySpan<byte> what)
    {
        byte[] bytes = new byte[SlotBytes + what.Length];
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, slot);
        what.CopyTo(bytes.AsSpan(SlotBytes));
        return bytes;
    }

    internal static byte[] Number(uint slot, int value)
    {
        Span<byte> bytes = stackalloc byte[4];
        BinaryPrimitives.WriteInt32LittleEndian(bytes, value);
        return Of(slot, bytes);
    }

    internal static byte[] Words(uint slot, params ReadOnlySpan<ulong> values)
    {
        Span<byte> bytes = stackalloc byte[values.Length * sizeof(ulong)];
        for (int i = 0; i < values.Length; i++)
            BinaryPrimitives.WriteUInt64LittleEndian(bytes[(i * sizeof(ulong))..], values[i]);
        return Of(slot, bytes);
    }

    internal static byte[] Result(long value)
    {
        byte[] bytes = new byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(bytes, value);
        return bytes;
    }
}
