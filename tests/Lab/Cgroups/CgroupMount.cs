namespace OpenMosix.Lab.Cgroups;

/// <summary>A mounted cgroup hierarchy in which nodes get a directory.</summary>
/// <param name="Directory">Mount point.</param>
/// <param name="Controllers">What this hierarchy controls.</param>
/// <param name="Unified">Version 2: processes only in leaves, controllers enabled level by level.</param>
public sealed record CgroupMount(string Directory, IReadOnlyList<string> Controllers, bool Unified)
{
    // Those that a node and the cells in it use. A hierarchy that has none of them is not touched.
    private static readonly string[] Wanted = ["memory", "pids", "cpu", "cpuacct", "freezer"];

    public static IReadOnlyList<CgroupMount> Find() => Parse(File.ReadLines("/proc/self/mountinfo"), File.ReadAllText);

    public static IReadOnlyList<CgroupMount> Parse(IEnumerable<string> mountinfo, Func<string, string> read)
    {
        var found = new List<CgroupMount>();
        foreach (var line in mountinfo)
        {
            // 36 35 98:0 / /mount/point options [optional fields] - type source super-options
            var fields = line.Split(' ');
            var dash = Array.IndexOf(fields, "-", 6);
            if (dash < 0 || dash + 3 >= fields.Length || found.Any(mount => mount.Directory == fields[4]))
            {
                continue;
            }

            if (fields[dash + 1] == "cgroup2")
            {
                var controllers = read(Path.Combine(fields[4], "cgroup.controllers")).Split((char[])[' ', '\n'], StringSplitOptions.RemoveEmptyEntries);
                found.Add(new CgroupMount(fields[4], Wanted.Intersect(controllers).ToArray(), Unified: true));
            }
            else if (fields[dash + 1] == "cgroup" && Wanted.Intersect(fields[dash + 3].Split(',')).ToArray() is { Length: > 0 } some)
            {
                found.Add(new CgroupMount(fields[4], some, Unified: false));
            }
        }

        return found;
    }
}
