using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.X86;

namespace OpenMosix.Checkpoint.Pages;

/// <summary>
/// CRC-32C (Castagnoli) as PageChunk.crc32c has it: initial and final value inverted. The crc32 instruction has a latency of three
/// cycles and one can be issued every cycle: three streams run side by side and are joined by a table that moves a CRC
/// over a fixed number of zero bytes (the method of Mark Adler's crc32c.c).
/// </summary>
public static class Crc32C
{
    private const uint Polynomial = 0x82f6_3b78; // reflected
    private const int LongBytes = 4096;
    private const int ShortBytes = 256;

    private static readonly uint[] LongShift = ShiftTable(LongBytes);
    private static readonly uint[] ShortShift = ShiftTable(ShortBytes);
    private static readonly uint[] Bytewise = BytewiseTable();

    public static uint Compute(ReadOnlySpan<byte> data) => Append(0, data);

    /// <summary>Continues: Append(Compute(a), b) is the CRC of a followed by b.</summary>
    public static uint Append(uint crc, ReadOnlySpan<byte> data) =>
        ~(Sse42.X64.IsSupported ? Hardware(~crc, data) : Software(~crc, data));

    internal static uint Software(uint crc, ReadOnlySpan<byte> data)
    {
        foreach (var value in data)
        {
            crc = (crc >> 8) ^ Bytewise[(byte)(crc ^ value)];
        }

        return crc;
    }

    private static uint Hardware(uint crc, ReadOnlySpan<byte> data)
    {
        crc = ThreeStreams(crc, ref data, LongBytes, LongShift);
        crc = ThreeStreams(crc, ref data, ShortBytes, ShortShift);
        ulong state = crc;
        for (; data.Length >= sizeof(ulong); data = data[sizeof(ulong)..])
        {
            state = Sse42.X64.Crc32(state, BinaryPrimitives.ReadUInt64LittleEndian(data));
        }

        crc = (uint)state;
        foreach (var value in data)
        {
            crc = Sse42.Crc32(crc, value);
        }

        return crc;
    }

    private static uint ThreeStreams(uint crc, ref ReadOnlySpan<byte> data, int bytes, uint[] shift)
    {
        while (data.Length >= 3 * bytes)
        {
            // The length was checked: every read below lies inside the first three times `bytes`.
            ref var first = ref MemoryMarshal.GetReference(data);
            ref var second = ref Unsafe.Add(ref first, bytes);
            ref var third = ref Unsafe.Add(ref second, bytes);
            ulong a = crc, b = 0, c = 0;
            for (nint i = 0; i < bytes; i += sizeof(ulong))
            {
                a = Sse42.X64.Crc32(a, Unsafe.ReadUnaligned<ulong>(ref Unsafe.Add(ref first, i)));
                b = Sse42.X64.Crc32(b, Unsafe.ReadUnaligned<ulong>(ref Unsafe.Add(ref second, i)));
                c = Sse42.X64.Crc32(c, Unsafe.ReadUnaligned<ulong>(ref Unsafe.Add(ref third, i)));
            }

            crc = Shift(shift, (uint)a) ^ (uint)b;
            crc = Shift(shift, crc) ^ (uint)c;
            data = data[(3 * bytes)..];
        }

        return crc;
    }

    private static uint Shift(uint[] table, uint crc) =>
        table[(byte)crc] ^ table[256 + (byte)(crc >> 8)] ^ table[512 + (byte)(crc >> 16)] ^ table[768 + (crc >> 24)];

    private static uint[] BytewiseTable()
    {
        var table = new uint[256];
        for (uint i = 0; i < 256; i++)
        {
            var crc = i;
            for (var bit = 0; bit < 8; bit++)
            {
                crc = (crc >> 1) ^ ((crc & 1) * Polynomial);
            }

            table[i] = crc;
        }

        return table;
    }

    /// <summary>For each byte of a CRC what it becomes behind that many zero bytes. The map is linear over single bits, which are moved
    /// one zero byte at a time.</summary>
    private static uint[] ShiftTable(int bytes)
    {
        var single = BytewiseTable();
        Span<uint> bits = stackalloc uint[32];
        for (var bit = 0; bit < 32; bit++)
        {
            var crc = 1u << bit;
            for (var i = 0; i < bytes; i++)
            {
                crc = (crc >> 8) ^ single[(byte)crc];
            }

            bits[bit] = crc;
        }

        var table = new uint[1024];
        for (var index = 0; index < 1024; index++)
        {
            uint value = 0;
            for (var bit = 0; bit < 8; bit++)
            {
                if ((index & (1 << bit)) != 0)
                {
                    value ^= bits[(index / 256 * 8) + bit];
                }
            }

            table[index] = value;
        }

        return table;
    }
}
