// Where this warden may make cgroups: under its own, in every mounted hierarchy that has a controller a cell needs. v1, v2 and
// a mixture of both. Read once at start.
namespace OpenMosix.Warden.Cell;

internal sealed record CgroupHierarchy(string Path, IReadOnlySet<string> Controllers, bool Unified);

internal sealed class CgroupTree
{
    internal static readonly string[] Wanted = ["memory", "pids", "cpu", "freezer"];

    private CgroupTree(IReadOnlyList<CgroupHierarchy> hierarchies) => Hierarchies = hierarchies;

    internal IReadOnlyList<CgroupHierarchy> Hierarchies { get; }

    internal static CgroupTree Find() => Find(File.ReadAllText("/proc/self/cgroup"), File.ReadAllText("/proc/self/mountinfo"));

    internal static CgroupTree Find(string membership, string mountinfo)
    {
        var own = new Dictionary<string, string>();
        foreach (string line in membership.Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            string[] parts = line.Split(':', 3);
            foreach (string controller in parts[1].Split(','))
                own[controller] = parts[2];
        }
        var found = new List<CgroupHierarchy>();
        foreach (string line in mountinfo.Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            string[] fields = line.Split(' ');
            int separator = Array.IndexOf(fields, "-");
            if (separator < 0 || separator + 3 >= fields.Length)
                continue;
            string type = fields[separator + 1];
            if (type is not ("cgroup" or "cgroup2"))
                continue;
            bool unified = type == "cgroup2";
            string[] controllers = unified ? [] : [.. fields[separator + 3].Split(',').Intersect(Wanted)];
            if (!unified && controllers.Length == 0)
                continue;
            if (!own.TryGetValue(unified ? "" : controllers[0], out string? path) || Below(fields[3], path) is not { } below)
                continue;
            string full = fields[4].TrimEnd('/') + below;
            if (!Directory.Exists(full) || found.Any(hierarchy => hierarchy.Path == full))
                continue;
            if (unified)
                controllers = [.. Words(System.IO.Path.Combine(full, "cgroup.controllers")).Intersect(Wanted)];
            found.Add(new(full, controllers.ToHashSet(), unified));
        }
        return new(found);
    }

    internal bool Has(string controller) => Hierarchies.Any(hierarchy => hierarchy.Controllers.Contains(controller));

    private static string[] Words(string path) =>
        File.Exists(path) ? File.ReadAllText(path).Split((char[])[' ', '\n'], StringSplitOptions.RemoveEmptyEntries) : [];

    /// <summary>path as seen below a mount whose root is root; null when it lies outside (another container's view).</summary>
    private static string? Below(string root, string path)
    {
        if (root == "/")
            return path == "/" ? "" : path;
        if (path == root)
            return "";
        return path.StartsWith(root + "/", StringComparison.Ordinal) ? path[root.Length..] : null;
    }
}
