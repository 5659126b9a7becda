// The memory limits above this process, in the v1 or the v2 hierarchy: every ancestor's counts, the tightest decides.
// What a cgroup leaves is limit - usage + what it could give back at once (its file pages).
using System.Globalization;

namespace OpenMosix.Daemon.Cluster;

/// <summary>Both are <see cref="ulong.MaxValue"/> where nothing limits.</summary>
internal readonly record struct CgroupRoom(ulong LimitBytes, ulong AvailableBytes)
{
    public static CgroupRoom Unlimited { get; } = new(ulong.MaxValue, ulong.MaxValue);
}

internal sealed class CgroupMemory
{
    // v1 says "no limit" as LONG_MAX rounded down to a page.
    private const ulong NoLimit = 1UL << 62;

    private readonly List<(string Limit, string Usage, string Stat, bool V2)> _groups = [];

    private CgroupMemory() { }

    /// <summary>Where a limit can be set, the innermost first.</summary>
    public IEnumerable<(string Directory, bool V2)> Directories => _groups.Select(group => (Path.GetDirectoryName(group.Limit)!, group.V2));

    /// <summary>Finds the groups once: a daemon is not moved between cgroups while it runs.</summary>
    public static CgroupMemory Of(string proc)
    {
        var memory = new CgroupMemory();
        try
        {
            string[] mounts = File.ReadAllLines(Path.Combine(proc, "self/mountinfo"));
            foreach (string line in File.ReadLines(Path.Combine(proc, "self/cgroup")))
            {
                // hierarchy-ID:controller-list:cgroup-path (cgroups(7)); v2 is "0::path".
                string[] fields = line.Split(':', 3);
                if (fields.Length != 3)
                    continue;
                bool v2 = fields[0] == "0" && fields[1].Length == 0;
                if (v2 || fields[1].Split(',').Contains("memory"))
                    memory.AddGroups(mounts, fields[2], v2);
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // No cgroups to be seen: nothing known to limit.
        }
        return memory;
    }

    public CgroupRoom Read()
    {
        CgroupRoom room = CgroupRoom.Unlimited;
        foreach ((string limitFile, string usageFile, string statFile, bool v2) in _groups)
        {
            if (ReadNumber(limitFile) is not { } limit || limit >= NoLimit || ReadNumber(usageFile) is not { } usage)
                continue;
            ulong reclaimable = Reclaimable(statFile, v2);
            ulong used = usage > reclaimable ? usage - reclaimable : 0;
            ulong available = limit > used ? limit - used : 0;
            room = new CgroupRoom(Math.Min(room.LimitBytes, limit), Math.Min(room.AvailableBytes, available));
        }
        return room;
    }

    private void AddGroups(string[] mounts, string path, bool v2)
    {
        foreach (string line in mounts)
        {
            // 36 35 98:0 /root /mount/point options [optional...] - type source superoptions (proc_pid_mountinfo(5))
            string[] halves = line.Split(" - ", 2);
            if (halves.Length != 2)
                continue;
            string[] left = halves[0].Split(' ');
            string[] right = halves[1].Split(' ');
            if (left.Length < 5 || right.Length < 3 || !(v2 ? right[0] == "cgroup2" : right[0] == "cgroup" && right[2].Split(',').Contains("memory")))
                continue;
            string root = left[3] == "/" ? "" : left[3];
            string point = left[4];
            string inside = Inside(root, path);
            for (string group = point + inside.TrimEnd('/'); group.Length >= point.Length; group = group[..group.LastIndexOf('/')])
            {
                string limit = Path.Combine(group, v2 ? "memory.max" : "memory.limit_in_bytes");
                if (File.Exists(limit))
                    _groups.Add((limit, Path.Combine(group, v2 ? "memory.current" : "memory.usage_in_bytes"), Path.Combine(group, "memory.stat"), v2));
                if (group.Length == point.Length)
                    break;
            }
            return;
        }
    }

    // The mount may show only a part of the hierarchy (a container's). For a path outside of it, its top says all there is.
    private static string Inside(string root, string path)
    {
        if (root.Length == 0)
            return path.StartsWith("/..", StringComparison.Ordinal) ? "/" : path;
        return path.StartsWith(root + "/", StringComparison.Ordinal) ? path[root.Length..] : "/";
    }

    private static ulong Reclaimable(string statFile, bool v2)
    {
        ulong bytes = 0;
        string text = ReadText(statFile) ?? "";
        foreach (Range range in text.AsSpan().Split('\n'))
        {
            ReadOnlySpan<char> line = text.AsSpan(range);
            int space = line.IndexOf(' ');
            if (space < 0)
                continue;
            ReadOnlySpan<char> name = line[..space];
            // v1: total_* is with the groups below, as usage is.
            if (v2 ? name is "inactive_file" or "active_file" or "slab_reclaimable" : name is "total_inactive_file" or "total_active_file")
                bytes += ulong.TryParse(line[(space + 1)..], NumberStyles.None, CultureInfo.InvariantCulture, out ulong value) ? value : 0;
        }
        return bytes;
    }

    private static ulong? ReadNumber(string file) =>
        ulong.TryParse(ReadText(file)?.Trim(), NumberStyles.None, CultureInfo.InvariantCulture, out ulong value) ? value : null; // "max": no limit

    private static string? ReadText(string file)
    {
        try
        {
            return File.ReadAllText(file);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null; // the group is gone
        }
    }
}
