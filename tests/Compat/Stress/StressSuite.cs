using System.Collections.Concurrent;
using OpenMosix.Compat.Applications;
using OpenMosix.Compat.Running;
using OpenMosix.Lab;

namespace OpenMosix.Compat.Stress;

/// <summary>All stressors, or those that are named, in as many labs as there are CPUs; STRESS.md is written after each.</summary>
internal static class StressSuite
{
    // What eats memory or disk is to meet a limit of its node, not that of the machine. Some write to /tmp whatever they are told.
    private const string MemoryOfNode = "4G";
    private const long BytesOfDisk = 6L << 30;

    /// <returns>Exit status: 1 if one passes natively and not moved.</returns>
    internal static async Task<int> RunAsync(IReadOnlyList<string> names, CancellationToken stop)
    {
        Packages.Install(["stress-ng"]);
        var all = Stressor.All();
        if (names.Except(all.Select(each => each.Name)).FirstOrDefault() is { } unknown)
        {
            throw new LabException($"stress-ng has no stressor '{unknown}' in these classes");
        }

        var page = new StressPage(all, Packages.Versions(["stress-ng"]).GetValueOrDefault("stress-ng", "?"));
        var open = new ConcurrentQueue<Stressor>(all.Where(each => names.Count == 0 || names.Contains(each.Name)));
        var labs = Math.Min(Environment.ProcessorCount, open.Count);
        var broken = await Task.WhenAll(Enumerable.Range(1, labs).Select(number => Task.Run(() => WorkAsync($"stress{number}", open, page, stop), stop)));
        Console.WriteLine($"{broken.Sum()} pass natively and not moved");
        return broken.Sum() == 0 ? 0 : 1;
    }

    private static async Task<int> WorkAsync(string lab, ConcurrentQueue<Stressor> open, StressPage page, CancellationToken stop)
    {
        using var space = new Workspace("/var/tmp", BytesOfDisk);
        using var node = HomeNode.UpWithin(MemoryOfNode, space.Cache, lab, stop);
        var broken = 0;
        while (open.TryDequeue(out var stressor))
        {
            var result = await new StressRun(stressor, node, space, stop).RunAsync();
            page.Add(stressor, result);
            broken += result.Broken ? 1 : 0;
        }

        return broken;
    }
}
