namespace OpenMosix.Checkpoint.Pages;

/// <summary>CRC-32C (Castagnoli) as PageChunk.crc32c has it: initial and final value inverted.</summary>
public static class Crc32C
{
    public static uint Compute(ReadOnlySpan<byte> data) => throw new NotImplementedException();

    /// <summary>Continues: Append(Compute(a), b) is the CRC of a followed by b.</summary>
    public static uint Append(uint crc, ReadOnlySpan<byte> data) => throw new NotImplementedException();
}
