using System.Globalization;
using OpenMosix.Checkpoint.Tracing;

namespace OpenMosix.Checkpoint.Proc;

/// <summary>Reads /proc/PID/maps and smaps.</summary>
internal static class MemoryMap
{
    public static List<MemoryArea> Read(int pid) => Parse(Lines($"/proc/{pid}/maps"));

    /// <summary>With VmFlags. Costs a walk of the page tables.</summary>
    public static List<MemoryArea> ReadWithFlags(int pid) => Parse(Lines($"/proc/{pid}/smaps"));

    internal static List<MemoryArea> Parse(IEnumerable<string> lines)
    {
        var areas = new List<MemoryArea>();
        foreach (var line in lines)
        {
            if (line.StartsWith("VmFlags:", StringComparison.Ordinal))
            {
                areas[^1] = areas[^1] with { Flags = line[8..].Split(' ', StringSplitOptions.RemoveEmptyEntries) };
            }
            else if (char.IsAsciiHexDigitLower(line[0]))
            {
                areas.Add(ParseLine(line));
            }
        }

        return areas;
    }

    private static MemoryArea ParseLine(string line)
    {
        // start-end rwxp offset major:minor inode   name with spaces
        var text = line.AsSpan();
        var range = Next(ref text);
        var permissions = Next(ref text);
        var offset = Next(ref text);
        var device = Next(ref text);
        var inode = Next(ref text);
        var dash = range.IndexOf('-');
        var colon = device.IndexOf(':');
        return new MemoryArea
        {
            Start = Hex(range[..dash]),
            End = Hex(range[(dash + 1)..]),
            Readable = permissions[0] == 'r',
            Writable = permissions[1] == 'w',
            Executable = permissions[2] == 'x',
            Shared = permissions[3] == 's',
            Offset = Hex(offset),
            Device = MakeDevice(Hex(device[..colon]), Hex(device[(colon + 1)..])),
            Inode = ulong.Parse(inode, CultureInfo.InvariantCulture),
            Name = text.TrimStart(' ').ToString(),
        };
    }

    /// <summary>As makedev of the C library, which is what st_dev holds.</summary>
    private static ulong MakeDevice(ulong major, ulong minor) =>
        ((major & 0xfff) << 8) | ((major & ~0xfffUL) << 32) | (minor & 0xff) | ((minor & ~0xffUL) << 12);

    private static ReadOnlySpan<char> Next(ref ReadOnlySpan<char> text)
    {
        text = text.TrimStart(' ');
        var end = text.IndexOf(' ');
        var word = end < 0 ? text : text[..end];
        text = end < 0 ? default : text[end..];
        return word;
    }

    private static ulong Hex(ReadOnlySpan<char> text) => ulong.Parse(text, NumberStyles.HexNumber, CultureInfo.InvariantCulture);

    private static string[] Lines(string path)
    {
        try
        {
            return File.ReadAllLines(path);
        }
        catch (IOException exception)
        {
            throw new TraceeException($"reading {path}: {exception.Message}", Interop.Errno.ESRCH);
        }
    }
}
