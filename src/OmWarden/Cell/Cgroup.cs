// The cgroup of one cell, in every hierarchy that counts. Named after the warden's run directory and the cell, so that a later
// warden of the same run directory knows what to sweep. Delete() is the undo of everything here and may be called at any state.
using System.Globalization;
using OpenMosix.Protocol.V1;

namespace OpenMosix.Warden.Cell;

internal sealed class Cgroup
{
    internal const string Prefix = "omcell-";
    private const string WardenLeaf = "omwarden";
    private const ulong MostPids = 4 << 20; // PID_MAX_LIMIT: the kernel takes no more

    private readonly List<(string Path, CgroupHierarchy Hierarchy)> made = [];

    private Cgroup(string name) => Name = name;

    internal string Name { get; }

    /// <summary>Where its memory is limited.</summary>
    internal (string Path, bool Unified)? Memory => made.Where(place => place.Hierarchy.Controllers.Contains("memory"))
        .Select(place => ((string, bool)?)(place.Path, place.Hierarchy.Unified)).FirstOrDefault();

    internal static string NameOf(string instance, string cell) => $"{Prefix}{instance}-{cell}";

    /// <summary>Makes the cgroup and sets the limits; on failure nothing is left and an IOException says what was refused.</summary>
    internal static Cgroup Create(CgroupTree tree, string name, CellLimits limits)
    {
        var cgroup = new Cgroup(name);
        try
        {
            if (limits.MemoryBytes > 0 && !tree.Has("memory"))
                throw new IOException("a memory limit is asked for and no cgroup memory controller is there (omctl doctor)");
            if (limits.Pids > 0 && !tree.Has("pids"))
                throw new IOException("a limit of processes is asked for and no cgroup pids controller is there (omctl doctor)");
            foreach (CgroupHierarchy hierarchy in tree.Hierarchies)
            {
                if (hierarchy.Unified && hierarchy.Controllers.Count > 0)
                    Delegate(hierarchy);
                string path = Path.Combine(hierarchy.Path, name);
                Directory.CreateDirectory(path);
                cgroup.made.Add((path, hierarchy));
                Limit(path, hierarchy, limits);
            }
            return cgroup;
        }
        catch (Exception refused) when (refused is IOException or UnauthorizedAccessException)
        {
            cgroup.Delete();
            throw refused as IOException ?? new IOException(refused.Message, refused);
        }
    }

    /// <summary>One that an earlier warden made.</summary>
    internal static Cgroup Adopt(CgroupTree tree, string name)
    {
        var cgroup = new Cgroup(name);
        foreach (CgroupHierarchy hierarchy in tree.Hierarchies)
            if (Directory.Exists(Path.Combine(hierarchy.Path, name)))
                cgroup.made.Add((Path.Combine(hierarchy.Path, name), hierarchy));
        return cgroup;
    }

    internal void Enter(int pid)
    {
        foreach ((string path, _) in made)
            Write(Path.Combine(path, "cgroup.procs"), pid.ToString(CultureInfo.InvariantCulture));
    }

    /// <summary>False when something still lives in it.</summary>
    internal bool Delete()
    {
        bool all = true;
        foreach ((string path, _) in made)
        {
            try
            {
                if (Directory.Exists(path))
                    Directory.Delete(path);
            }
            catch (IOException)
            {
                all = false;
            }
        }
        return all;
    }

    internal IEnumerable<int> Members() =>
        made.SelectMany(place => File.ReadLines(Path.Combine(place.Path, "cgroup.procs"))).Select(line => int.Parse(line, CultureInfo.InvariantCulture)).Distinct();

    /// <summary>IOException: more is in use, and cannot be taken away.</summary>
    internal void LimitMemory(ulong bytes)
    {
        foreach ((string path, CgroupHierarchy hierarchy) in made.Where(place => place.Hierarchy.Controllers.Contains("memory")))
            LimitMemory(path, hierarchy.Unified, bytes);
    }

    internal void LimitPids(ulong count)
    {
        foreach ((string path, _) in made.Where(place => place.Hierarchy.Controllers.Contains("pids")))
            LimitPids(path, count);
    }

    private static void LimitMemory(string path, bool unified, ulong bytes) => Write(Path.Combine(path, unified ? "memory.max" : "memory.limit_in_bytes"), Text(bytes));

    private static void LimitPids(string path, ulong count) => Write(Path.Combine(path, "pids.max"), Text(Math.Min(count, MostPids)));

    private static void Limit(string path, CgroupHierarchy hierarchy, CellLimits limits)
    {
        if (limits.MemoryBytes > 0 && hierarchy.Controllers.Contains("memory"))
        {
            LimitMemory(path, hierarchy.Unified, limits.MemoryBytes);
            // Swapping a remote's pages on the hosting node is not what its owner agreed to. Not every kernel accounts swap.
            string swap = Path.Combine(path, hierarchy.Unified ? "memory.swap.max" : "memory.swappiness");
            if (File.Exists(swap))
                Write(swap, "0");
        }
        if (limits.Pids > 0 && hierarchy.Controllers.Contains("pids"))
            LimitPids(path, limits.Pids);
        // A quarter of the default weight: the hosting node's own programs come first.
        if (hierarchy.Controllers.Contains("cpu"))
            Write(Path.Combine(path, hierarchy.Unified ? "cpu.weight" : "cpu.shares"), hierarchy.Unified ? "25" : "256");
    }

    /// <summary>v2: controllers can be handed to children only while no process is in the parent itself, so the warden goes to a leaf.</summary>
    private static void Delegate(CgroupHierarchy hierarchy)
    {
        string control = Path.Combine(hierarchy.Path, "cgroup.subtree_control");
        string[] wanted = [.. hierarchy.Controllers.Where(controller => controller != "freezer")];
        if (wanted.Length == 0 || wanted.All(File.ReadAllText(control).Split((char[])[' ', '\n']).Contains))
            return;
        string leaf = Path.Combine(hierarchy.Path, WardenLeaf);
        Directory.CreateDirectory(leaf);
        Write(Path.Combine(leaf, "cgroup.procs"), Text((ulong)Environment.ProcessId));
        Write(control, string.Join(' ', wanted.Select(controller => "+" + controller)));
    }

    private static string Text(ulong value) => value.ToString(CultureInfo.InvariantCulture);

    internal static void Write(string path, string text)
    {
        try
        {
            // Not File.WriteAllText: a control file must be written by one write, and truncation means nothing to it.
            using FileStream file = new(path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite, bufferSize: 0);
            file.Write(System.Text.Encoding.ASCII.GetBytes(text));
        }
        catch (Exception refused) when (refused is IOException or UnauthorizedAccessException)
        {
            throw new IOException($"writing {text} to {path}: {refused.Message}", refused);
        }
    }
}
