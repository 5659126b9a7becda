using OpenMosix.Lab.Cgroups;
using OpenMosix.Lab.Network;
using OpenMosix.Lab.Nodes;
using OpenMosix.Lab.State;

namespace OpenMosix.Lab;

/// <summary>Makes a lab, or leaves nothing of it.</summary>
internal static class LabUp
{
    private const int MostNodes = 64;

    internal static LabRecord Run(string name, int count, string? memory, bool bare, CancellationToken stop)
    {
        if (count is < 1 or > MostNodes)
        {
            throw new LabException($"a lab has 1 to {MostNodes} nodes, not {count}");
        }

        var sizes = MemorySize.ParseList(memory, count);
        var mounts = CgroupMount.Find();
        var (lab, labLock) = LabStore.Create(name, subnet => new LabRecord
        {
            Name = name,
            Subnet = subnet,
            Bin = Installation.Bin,
            Bare = bare,
            Cgroups = mounts.Select(mount => LabCgroups.DirectoryIn(mount, name)).ToArray(),
            Unified = mounts.Where(mount => mount.Unified).Select(mount => LabCgroups.DirectoryIn(mount, name)).FirstOrDefault(),
            Nodes = Enumerable.Range(1, count).Select(number => new NodeRecord
            {
                Name = $"pc{number}",
                Address = LabNetwork.Address(subnet, number),
                MemoryBytes = sizes[number - 1],
            }).ToArray(),
        });
        using (labLock)
        {
            // A request that waits for a daemon ends when its node is killed.
            using var stopping = stop.Register(() => LabCgroups.Kill(lab.Cgroups));
            try
            {
                Build(lab, stop);
                return lab;
            }
            catch (Exception e)
            {
                LabDown.Remove(lab.Name);
                throw stop.IsCancellationRequested ? new OperationCanceledException("omlab up was stopped", e, stop) : e;
            }
        }
    }

    private static void Build(LabRecord lab, CancellationToken stop)
    {
        NodeLauncher.StartSwitch(lab);
        foreach (var node in lab.Nodes)
        {
            stop.ThrowIfCancellationRequested();
            NodeLauncher.Start(lab, node);
        }

        if (lab.Bare)
        {
            return;
        }

        stop.ThrowIfCancellationRequested();
        Task.WhenAll(lab.Nodes.Select(node => Task.Factory.StartNew(
            () => NodeLauncher.Boot(lab, node), stop, TaskCreationOptions.LongRunning, TaskScheduler.Default))).GetAwaiter().GetResult();
        ClusterStart.Form(lab, stop);
    }
}
