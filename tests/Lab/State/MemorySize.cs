using System.Globalization;

namespace OpenMosix.Lab.State;

/// <summary>Sizes as people write them: 512M, 2G, 1048576. Powers of 1024.</summary>
public static class MemorySize
{
    private const string Units = "KMGT";

    /// <returns>Bytes, or null when the text is no size or less than 16 MiB, in which no node could run.</returns>
    public static long? Parse(string text)
    {
        var unit = text.Length == 0 ? -1 : Units.IndexOf(char.ToUpperInvariant(text[^1]), StringComparison.Ordinal);
        var digits = unit < 0 ? text : text[..^1];
        if (!long.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out var number) || number > 1L << 40)
        {
            return null;
        }

        var shift = 10 * (unit + 1);
        return number > long.MaxValue >> shift || number << shift < 16L << 20 ? null : number << shift;
    }

    /// <summary>One size for all nodes, or one each.</summary>
    public static long?[] ParseList(string? text, int nodes)
    {
        if (text is null)
        {
            return new long?[nodes];
        }

        var sizes = text.Split(',').Select(part =>
            Parse(part) ?? throw new LabException($"--memory: '{part}' is no size of at least 16M (examples: 512M, 2G)")).ToArray();
        return sizes.Length switch
        {
            1 => Enumerable.Repeat<long?>(sizes[0], nodes).ToArray(),
            _ when sizes.Length == nodes => sizes.Select(size => (long?)size).ToArray(),
            _ => throw new LabException($"--memory: {sizes.Length} sizes for {nodes} nodes: give one for all, or one each"),
        };
    }

    public static string Format(long bytes)
    {
        var unit = 0;
        double value = bytes;
        for (; value >= 1024 && unit < Units.Length; unit++)
        {
            value /= 1024;
        }

        return unit == 0 ? $"{bytes}" : string.Create(CultureInfo.InvariantCulture, $"{value:0.#}{Units[unit - 1]}");
    }
}
