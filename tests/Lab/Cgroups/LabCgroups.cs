using System.Globalization;
using OpenMosix.Lab.Interop;
using OpenMosix.Lab.State;

namespace OpenMosix.Lab.Cgroups;

/// <summary>
/// The cgroups of a lab: /omlab/NAME/NODE in every hierarchy. What is run in a node is below it, in session: a thousand of its threads are to the services
/// one that competes for the CPU, as under systemd. The services and init are on v1 in that directory itself; on v2 in leaves
/// below it (init, omwarden.service, openmosixd.service), as under systemd with Delegate=yes, because v2 wants no processes in inner
/// nodes. The limit is on NODE. Whatever the node's daemons make below is theirs and goes with it.
/// </summary>
internal static class LabCgroups
{
    private const string Parent = "omlab";

    internal static string DirectoryIn(CgroupMount mount, string lab) => Path.Combine(mount.Directory, Parent, lab);

    /// <summary>Those that are there, of whatever lab has or had this name.</summary>
    internal static IReadOnlyList<string> Of(string lab) => CgroupMount.Find().Select(mount => DirectoryIn(mount, lab)).Where(Directory.Exists).ToArray();

    internal static void CreateNode(LabRecord lab, string node, long? memoryBytes)
    {
        var limited = memoryBytes is null;
        foreach (var mount in CgroupMount.Find())
        {
            var directory = Path.Combine(DirectoryIn(mount, lab.Name), node);
            Directory.CreateDirectory(directory);
            if (mount.Unified)
            {
                EnableControllers(mount, directory);
            }

            if (memoryBytes is { } limit && mount.Controllers.Contains("memory"))
            {
                limited |= SetMemoryLimit(directory, limit, mount.Unified);
            }
        }

        if (!limited)
        {
            throw new LabException("--memory: this machine has no cgroup hierarchy with the memory controller that omlab may use");
        }
    }

    /// <summary>Bytes in use by the node, or null where nothing counts them.</summary>
    internal static long? MemoryUsage(LabRecord lab, string node)
    {
        foreach (var mount in CgroupMount.Find().Where(mount => mount.Controllers.Contains("memory")))
        {
            var file = Path.Combine(DirectoryIn(mount, lab.Name), node, mount.Unified ? "memory.current" : "memory.usage_in_bytes");
            if (File.Exists(file))
            {
                return long.Parse(File.ReadAllText(file), CultureInfo.InvariantCulture);
            }
        }

        return null;
    }

    /// <summary>Kills every process in these cgroups and below, and returns when all have ended.</summary>
    internal static void Kill(IEnumerable<string> directories)
    {
        var all = directories.Where(Directory.Exists).ToArray();
        while (true)
        {
            var pids = all.SelectMany(Pids).Distinct().ToArray();
            if (pids.Length == 0)
            {
                return;
            }

            foreach (var pid in pids)
            {
                using var process = LibC.OpenPidFd(pid, 0);
                // It may have ended since it was listed, and its number may be another's: what counts is that it is (still) in the cgroup.
                if (!process.IsInvalid && all.SelectMany(Pids).Contains(pid))
                {
                    process.KillAndWait();
                }
            }
        }
    }

    /// <summary>Removes cgroups without processes, leaves first, and /omlab itself with the last lab.</summary>
    internal static void Remove(IEnumerable<string> directories)
    {
        foreach (var directory in directories.Where(Directory.Exists))
        {
            RemoveTree(directory);
            var parent = Path.GetDirectoryName(directory)!;
            if (Path.GetFileName(parent) == Parent && Directory.GetDirectories(parent).Length == 0)
            {
                Directory.Delete(parent);
            }
        }
    }

    internal static void RemoveBelow(string directory)
    {
        if (Directory.Exists(directory))
        {
            Array.ForEach(Directory.GetDirectories(directory), RemoveTree);
        }
    }

    private static void RemoveTree(string directory)
    {
        RemoveBelow(directory);
        Directory.Delete(directory);
    }

    // From the mount point down to the node's directory, so that the leaves below it have the controllers.
    private static void EnableControllers(CgroupMount mount, string directory)
    {
        var text = string.Concat(mount.Controllers.Select(name => $"+{name} "));
        if (text.Length == 0)
        {
            return;
        }

        var level = mount.Directory;
        foreach (var part in Path.GetRelativePath(mount.Directory, directory).Split('/').Prepend("."))
        {
            level = Path.Combine(level, part);
            try
            {
                File.WriteAllText(Path.Combine(level, "cgroup.subtree_control"), text);
            }
            catch (IOException)
            {
                // A container whose own processes sit in this cgroup: no controllers below. Only --memory minds, and says so.
                return;
            }
        }
    }

    private static bool SetMemoryLimit(string directory, long bytes, bool unified)
    {
        var text = bytes.ToString(CultureInfo.InvariantCulture);
        var file = Path.Combine(directory, unified ? "memory.max" : "memory.limit_in_bytes");
        if (!File.Exists(file))
        {
            return false;
        }

        File.WriteAllText(file, text);
        // Swap would only hide the shortage; v1 counts both together.
        var swap = Path.Combine(directory, unified ? "memory.swap.max" : "memory.memsw.limit_in_bytes");
        if (File.Exists(swap))
        {
            File.WriteAllText(swap, unified ? "0" : text);
        }

        return true;
    }

    private static IEnumerable<int> Pids(string directory)
    {
        // v1 lists a process of another pid namespace as 0 only when the reader is inside one; omlab is outside of all nodes.
        foreach (var cgroup in Directory.EnumerateDirectories(directory, "*", SearchOption.AllDirectories).Prepend(directory))
        {
            string[] lines;
            try
            {
                lines = File.ReadAllLines(Path.Combine(cgroup, "cgroup.procs"));
            }
            catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
            {
                continue; // removed meanwhile by its node
            }

            foreach (var line in lines)
            {
                yield return int.Parse(line, CultureInfo.InvariantCulture);
            }
        }
    }
}
