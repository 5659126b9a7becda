// What this node has left: /proc/loadavg, /proc/meminfo, /proc/pressure/memory (absent where PSI is off) and the memory cgroups it
// lives in. Called once a second by the gossip, and by whoever wants it fresher; stateless apart from where the cgroups lie.
using System.Globalization;
using OpenMosix.Protocol.V1;

namespace OpenMosix.Daemon.Cluster;

public interface ILoadReader
{
    Load Read();
}

public sealed class LoadReader : ILoadReader
{
    private readonly TimeProvider _time;
    private readonly IWork? _work;
    private readonly CgroupMemory _cgroup;
    private readonly string _proc;
    private readonly bool _pressure;

    public LoadReader(TimeProvider time, IWork? work = null)
        : this(time, work, "/proc")
    {
    }

    internal LoadReader(TimeProvider time, IWork? work, string proc)
    {
        _time = time;
        _work = work;
        _proc = proc;
        _cgroup = CgroupMemory.Of(proc);
        _pressure = CanRead(Path.Combine(proc, "pressure/memory"));
    }

    public Load Read()
    {
        MemoryInfo memory = MemoryInfo.Parse(File.ReadAllText(Path.Combine(_proc, "meminfo")));
        CgroupRoom room = _cgroup.Read();
        return new Load
        {
            Cpus = (uint)Environment.ProcessorCount,
            Load1 = ParseLoadAverage(File.ReadAllText(Path.Combine(_proc, "loadavg"))),
            MemoryTotalBytes = Math.Min(memory.TotalBytes, room.LimitBytes),
            MemoryAvailableBytes = Math.Min(memory.AvailableBytes, room.AvailableBytes),
            MemoryPressure = _pressure ? ParsePressure(File.ReadAllText(Path.Combine(_proc, "pressure/memory"))) : 0,
            Hosted = _work?.Hosted ?? 0,
            Away = _work?.Away ?? 0,
            MeasuredNs = (_time.GetUtcNow() - DateTimeOffset.UnixEpoch).Ticks * 100,
        };
    }

    /// <summary>The first field of /proc/loadavg; 0 if it is not one.</summary>
    internal static double ParseLoadAverage(ReadOnlySpan<char> text)
    {
        int space = text.IndexOf(' ');
        return double.TryParse(space < 0 ? text : text[..space], NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out double load) ? load : 0;
    }

    /// <summary>avg10 of the line `some`, percent.</summary>
    internal static double ParsePressure(ReadOnlySpan<char> text)
    {
        const string Before = "some avg10=";
        int start = text.IndexOf(Before);
        if (start < 0)
            return 0;
        ReadOnlySpan<char> rest = text[(start + Before.Length)..];
        int end = rest.IndexOfAny(' ', '\n');
        return double.TryParse(end < 0 ? rest : rest[..end], NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out double percent) ? percent : 0;
    }

    // With CONFIG_PSI_DEFAULT_DISABLED the file is there, and opening or reading it is EOPNOTSUPP.
    private static bool CanRead(string file)
    {
        try
        {
            File.ReadAllText(file);
            return true;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or NotSupportedException)
        {
            return false;
        }
    }
}

internal readonly record struct MemoryInfo(ulong TotalBytes, ulong AvailableBytes)
{
    public static MemoryInfo Parse(ReadOnlySpan<char> text) => new(Field(text, "MemTotal:"), Field(text, "MemAvailable:"));

    private static ulong Field(ReadOnlySpan<char> text, string name)
    {
        foreach (Range range in text.Split('\n'))
        {
            ReadOnlySpan<char> line = text[range];
            if (!line.StartsWith(name, StringComparison.Ordinal))
                continue;
            ReadOnlySpan<char> number = line[name.Length..].Trim();
            int space = number.IndexOf(' ');
            return ulong.TryParse(space < 0 ? number : number[..space], NumberStyles.None, CultureInfo.InvariantCulture, out ulong kib) ? kib * 1024 : 0;
        }
        return 0;
    }
}
