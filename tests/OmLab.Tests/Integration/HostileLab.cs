using System.Globalization;
using OpenMosix.Lab.State;
using OpenMosix.Lab.Tests.Running;

namespace OpenMosix.Lab.Tests.Integration;

/// <summary>Two nodes for hostile/hostile.c: pc1 is its home, pc2 hosts it and is small, so that its memory can be used up.</summary>
public sealed class HostileLab() : TestLab("hostile", null, "2", "--memory", "1G,512M")
{
    internal static string Programs { get; } = Path.Combine(Repository.Root, "out", "tests", "hostile");

    // Of each process but this shell, its number and name; of mounts, all.
    private const string Stand = """
        cat /proc/self/mounts
        for each in /proc/[0-9]*; do
            [ "${each#/proc/}" = $$ ] || { read -r stat < "$each/stat" && echo "${stat%%)*}"; }
        done
        """;

    // Cells are made below the node's own cgroup, or, in the unified hierarchy, below the warden's.
    private const string Cells = "omcell-*";

    /// <summary>Returns when pc2 holds nothing of a remote any more. Its processes and namespaces end before its cgroups are removed.</summary>
    internal async Task EmptyAsync()
    {
        foreach (var hierarchy in Hierarchies())
        {
            using var changes = new FileSystemWatcher(hierarchy, Cells);
            var gone = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            changes.Deleted += (_, _) => TellWhenEmpty();
            changes.EnableRaisingEvents = true;
            TellWhenEmpty();
            await gone.Task.WaitAsync(TimeSpan.FromSeconds(30));

            void TellWhenEmpty()
            {
                if (Directory.GetDirectories(hierarchy, Cells).Length == 0)
                {
                    gone.TrySetResult();
                }
            }
        }
    }

    /// <summary>What must be the same before and after a hostile guest: who runs on the node and what is mounted there.</summary>
    internal Task<string> StandAsync(string node = "pc2") => AskAsync(node, "sh", "-c", Stand);

    /// <summary>Of the only remote on pc2: its real uid outside, and how many descriptors it has.</summary>
    internal (uint Uid, int Descriptors) Remote()
    {
        // The other one in the cell is its init.
        var body = Hierarchies().SelectMany(each => Directory.GetDirectories(each, Cells))
            .SelectMany(cell => File.ReadAllLines(Path.Combine(cell, "cgroup.procs"))).Distinct()
            .Single(pid => File.ReadAllText($"/proc/{pid}/comm").Trim() == "hostile");
        return (uint.Parse(Status(body, "Uid")[0], CultureInfo.InvariantCulture), Directory.GetFileSystemEntries($"/proc/{body}/fd").Length);
    }

    /// <summary>The number of the only process of this name on pc2: there, and here.</summary>
    internal (string Inside, string Outside) ProcessOf(string name)
    {
        var pid = Hierarchies().SelectMany(node => Directory.GetFiles(node, "cgroup.procs", SearchOption.AllDirectories))
            .SelectMany(File.ReadAllLines).Distinct().Single(each => File.ReadAllText($"/proc/{each}/comm").Trim() == name);
        return (Status(pid, "NSpid")[^1], pid);
    }

    private static string[] Status(string pid, string field) =>
        File.ReadLines($"/proc/{pid}/status").First(line => line.StartsWith(field + ":\t", StringComparison.Ordinal)).Split('\t')[1..];

    private IEnumerable<string> Hierarchies() => LabStore.Open(Name).Cgroups.Select(directory => Path.Combine(directory, "pc2"))
        .SelectMany(node => Directory.GetDirectories(node, "omwarden.service").Prepend(node));
}

[CollectionDefinition(Name)]
public sealed class HostileCollection : ICollectionFixture<HostileLab>
{
    public const string Name = "hostile";
}
