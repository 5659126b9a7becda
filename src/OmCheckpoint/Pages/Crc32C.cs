using System.Buffers.Binary;
using System.Numerics;

namespace OpenMosix.Checkpoint.Pages;

/// <summary>CRC-32C (Castagnoli) as PageChunk.crc32c has it: initial and final value inverted.</summary>
public static class Crc32C
{
    public static uint Compute(ReadOnlySpan<byte> data) => Append(0, data);

    /// <summary>Continues: Append(Compute(a), b) is the CRC of a followed by b.</summary>
    public static uint Append(uint crc, ReadOnlySpan<byte> data)
    {
        crc = ~crc;
        while (data.Length >= sizeof(ulong))
        {
            crc = BitOperations.Crc32C(crc, BinaryPrimitives.ReadUInt64LittleEndian(data));
            data = data[sizeof(ulong)..];
        }

        foreach (byte value in data)
        {
            crc = BitOperations.Crc32C(crc, value);
        }

        return ~crc;
    }
}
