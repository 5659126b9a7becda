// Which processes belong to a job, from what the kernel lists now: the children of its known processes, and theirs. A process whose parent has
// ended is no longer anybody's child; it is found again when it is in a session or process group that one of the job's processes leads or
// led. (One that left both, as daemons do, is not the job's any more: it goes on natively.)
using System.Globalization;

namespace OpenMosix.Daemon.Jobs;

internal static class ProcessTree
{
    /// <summary>Descendants of `roots` that are not in `known`, parents before children.</summary>
    public static IEnumerable<ProcessStat> NewDescendants(IReadOnlyCollection<int> roots, IReadOnlySet<int> known)
    {
        var open = new Queue<int>(roots);
        var seen = new HashSet<int>(known);
        while (open.TryDequeue(out int parent))
        {
            foreach (int child in ProcessStat.Children(parent))
            {
                // A parent outside of the list means that the pid has come to mean another process since the list was read.
                if (seen.Add(child) && ProcessStat.Read(child) is { } stat && stat.ParentPid == parent)
                {
                    open.Enqueue(child);
                    yield return stat;
                }
            }
        }
    }

    /// <summary>Orphans of a job. Reads every process of the node.</summary>
    public static IEnumerable<ProcessStat> Orphans(Job job, IReadOnlySet<int> groups, IReadOnlySet<int> known)
    {
        foreach (string directory in Directory.EnumerateDirectories("/proc"))
        {
            if (int.TryParse(Path.GetFileName(directory.AsSpan()), NumberStyles.None, CultureInfo.InvariantCulture, out int pid) &&
                !known.Contains(pid) && ProcessStat.Read(pid) is { } stat && IsOrphan(stat, job, groups))
                yield return stat;
        }
    }

    // `omrun a | b`: b is in the group that a leads, but is the shell's child as a is.
    private static bool IsOrphan(ProcessStat stat, Job job, IReadOnlySet<int> groups) =>
        groups.Contains(stat.Session) || (groups.Contains(stat.ProcessGroup) && stat.ParentPid != job.RootParent);
}
