// What an earlier warden of the same run directory left: cells without an owner any more. Their processes end by themselves when the
// control socket closes; whoever is still inside is killed by pidfd, and the directory removed.
using OpenMosix.Warden.Interop;

namespace OpenMosix.Warden.Cell;

internal static class CgroupSweep
{
    private const int SIGKILL = 9;

    internal static int Run(CgroupTree tree, string instance, IReadOnlySet<string> keep)
    {
        int swept = 0;
        IEnumerable<string> names = tree.Hierarchies
            .SelectMany(hierarchy => Directory.EnumerateDirectories(hierarchy.Path, $"{Cgroup.Prefix}{instance}-*"))
            .Select(path => Path.GetFileName(path)!).Distinct().Where(name => !keep.Contains(name)).ToList();
        foreach (string name in names)
        {
            Cgroup cgroup = Cgroup.Adopt(tree, name);
            foreach (int pid in cgroup.Members().ToList())
            {
                using var pidfd = Processes.OpenPidfd(pid);
                if (pidfd is null)
                    continue;
                Processes.SendSignal(pidfd, SIGKILL);
                Processes.WaitForEnd(pidfd);
            }
            if (cgroup.Delete())
                swept++;
        }
        return swept;
    }
}
