using OpenMosix.Checkpoint.Freeze;
using OpenMosix.Checkpoint.Snapshot;

namespace OpenMosix.Checkpoint.Tests.Freeze;

/// <summary>
/// Each workload of tests/workloads, all of whose processes are stopped again and again, described and let go, and go nowhere: it checks itself, and
/// notices nothing.
/// </summary>
public sealed class WorkloadFreezeTests
{
    private const string Milliseconds = "300";
    private const int FreezesAtLeast = 3;

    /// <summary>One that has little to do may be done before a busy machine lets the test have a look at it.</summary>
    private const int RunsAtMost = 20;

    /// <summary>A terminal's read with a timeout begins anew after every stop, as the kernel has it (termios(3), VTIME): stopped for ever it would never end.</summary>
    private const int FreezesAtMost = 60;

    /// <summary>Cannot be looked at from outside, and is refused by name.</summary>
    private const string NeverStands = "leader_gone";

    private static readonly string Folder = Path.GetFullPath(Path.Combine(Guest.Programs, "..", "workloads"));

    public static TheoryData<string> Names() => [.. Directory.EnumerateFiles(Folder).Select(path => Path.GetFileName(path)).Order(StringComparer.Ordinal)];

    [RootTheory]
    [MemberData(nameof(Names))]
    public async Task Workload_FrozenAgainAndAgain_NoticesNothing(string name)
    {
        var freezes = 0;
        var runs = 0;
        do
        {
            freezes += await RunFreezing(name);
            runs++;
        }
        while (name != NeverStands && freezes < FreezesAtLeast && runs < RunsAtMost);

        Assert.True(name == NeverStands || freezes >= FreezesAtLeast, $"frozen {freezes} times in {runs} runs");
    }

    private static async Task<int> RunFreezing(string name)
    {
        // A child of ours would be reaped by whoever traces it.
        using var guest = Guest.Start("/bin/sh", "-c", $"{Path.Combine(Folder, name)} {Milliseconds}; echo status $?");
        var output = guest.ReadToEndAsync();
        var freezes = 0;
        while (freezes < FreezesAtMost && !output.IsCompleted)
        {
            foreach (var pid in Descendants(guest.Pid))
            {
                freezes += FreezeAndThaw(pid) ? 1 : 0;
            }
        }

        Assert.EndsWith($"ok {name}\nstatus 0\n", await output, StringComparison.Ordinal);
        return freezes;
    }

    /// <summary>False: it has ended meanwhile, executes a program, or is stopped by a signal and stays so.</summary>
    private static bool FreezeAndThaw(int pid)
    {
        var outcome = FrozenProcess.Freeze(pid);
        if (!outcome.Ok)
        {
            return false;
        }

        using var frozen = outcome.Value;
        _ = frozen.Snapshot(new SnapshotOptions { Node = "pc1" }); // what may not leave is refused by name, and goes on as well
        return frozen.Thaw().Ok;
    }

    private static List<int> Descendants(int pid)
    {
        List<int> all = [.. Children(pid)];
        for (var i = 0; i < all.Count; i++)
        {
            all.AddRange(Children(all[i]));
        }

        return all;
    }

    private static IEnumerable<int> Children(int pid)
    {
        try
        {
            return [.. Directory.EnumerateDirectories($"/proc/{pid}/task")
                .SelectMany(task => File.ReadAllText(Path.Combine(task, "children")).Split(' ', StringSplitOptions.RemoveEmptyEntries))
                .Select(int.Parse)];
        }
        catch (IOException)
        {
            return []; // it has ended
        }
    }
}
