using OpenMosix.Lab.Tests.Running;
using OpenMosix.Lab.Tests.Workloads;

namespace OpenMosix.Lab.Tests.Integration;

/// <summary>Each workload while it is moved to and fro among three nodes: it checks itself, and says the same as natively.</summary>
[Collection(ClusterCollection.Name)]
public sealed class WorkloadTests(ClusterLab lab)
{
    private const int Moves = 6;
    private const int FewestMoves = 2;

    /// <summary>Not brought home: the kernel there does not learn of CPU time that was used elsewhere, so that it steps back for a native program.</summary>
    private static readonly string[] StaysAway = ["identity", "thread_times"];

    /// <summary>Those that cannot move for most of their time, and why.</summary>
    private static readonly Dictionary<string, string> StaysHome = new()
    {
        ["leader_gone"] = "leader-exited",
        ["sharers_sysv"] = "sysv-shared-memory",
    };

    /// <summary>Known not to hold always while they move (src/DESIGN.md, "What is not there yet").</summary>
    private static readonly string[] Open = ["thread_sigwait"];

    public static TheoryData<string> All() => [.. NativeTests.All().Select(row => row.Data).Where(name => !Open.Contains(name))];

    [Theory]
    [MemberData(nameof(All))]
    public async Task Workload_MovedToAndFro_SaysTheSameAsNatively(string name)
    {
        lab.Need();
        using var native = RunningProgram.Start(Workload.Path(name), ["1"]);
        var expected = (await native.EndAsync()).Succeeded();

        using var job = Job.Start(lab, $"moved $WORKLOADS/{name} eof");
        var mover = new Mover(lab, await job.NextPidAsync(), name.GetHashCode(StringComparison.Ordinal), StaysAway.Contains(name) ? ["pc2", "pc3"] : null);
        await mover.MoveAsync(Moves);
        var ended = mover.Ended;
        var result = await job.EndAsync(mover);
        Assert.True(result.Outcome.Status == 0 && result.Outcome.Output == expected.Output, $"{result.Outcome}\n{mover.History}");
        if (StaysHome.TryGetValue(name, out var reason))
        {
            Assert.Contains(reason, mover.History, StringComparison.Ordinal);
            return;
        }

        // Fewer than asked for where it was refused by name for most of its time, as with a writable file mapped shared.
        Assert.True(!ended && mover.Moves >= FewestMoves, $"moved {mover.Moves} of {Moves} times\n{mover.History}");
    }
}
