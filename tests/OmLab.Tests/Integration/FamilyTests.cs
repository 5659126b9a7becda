using OpenMosix.Lab.Tests.Running;
using OpenMosix.Lab.Tests.Workloads;

namespace OpenMosix.Lab.Tests.Integration;

/// <summary>Programs that fork, all of whose processes are moved among three nodes, each for itself or with those it shares memory with: same output, same status.</summary>
[Collection(ClusterCollection.Name)]
public sealed class FamilyTests(ClusterLab lab)
{
    private const int Moves = 8;
    private const int Processes = 4;

    [Theory]
    [InlineData("forks")]
    [InlineData("families")]
    [InlineData("clones")]
    [InlineData("sharers")]
    [InlineData("sharers_memory")]
    [InlineData("sharers_change")]
    [InlineData("sharers_remap")]
    [InlineData("sharers_alone")]
    [InlineData("sharers_files")]
    [InlineData("written")]
    public async Task Workload_AllItsProcessesMoved_SaysTheSameAsNatively(string name)
    {
        lab.Need();
        using var native = RunningProgram.Start(Workload.Path(name), ["1"]);
        var expected = (await native.EndAsync()).Succeeded();

        using var job = Job.Start(lab, $"moved $WORKLOADS/{name} eof");
        await job.NextPidAsync();
        var mover = new FamilyMover(lab, name.GetHashCode(StringComparison.Ordinal));
        await mover.MoveAsync(Moves);
        var result = await job.EndAsync(mover.WhereItStandsAsync);
        Assert.True(result.Outcome.Status == 0 && result.Outcome.Output == expected.Output, $"{result.Outcome}\n{mover.History}");
    }

    [Fact]
    public async Task PythonTree_AllItsProcessesMoved_SameBytesAndStatus()
    {
        lab.Need();
        Dictionary<string, string> beside = new() { ["tree.py"] = Programs.Tree };
        const string script = "moved python3 -u tree.py";

        using var alone = Job.StartNative(lab, script, beside);
        await FeedAsync(alone, () => Task.CompletedTask);
        var native = await alone.EndAsync();

        using var job = Job.Start(lab, script, beside: beside);
        await job.NextPidAsync();
        var mover = new FamilyMover(lab, 4711);
        await FeedAsync(job, () => mover.MoveAsync(Moves * 2, Processes));
        var result = await job.EndAsync(mover.WhereItStandsAsync);
        result.MustEqual(native, mover.History);
    }

    /// <summary>Two lines a tree: in between its processes wait, and the first ones are moved.</summary>
    private static async Task FeedAsync(Job job, Func<Task> moving)
    {
        for (var portion = 0; portion < Programs.Trees; portion++)
        {
            await job.Program.WriteAsync($"{portion}\n");
            if (portion == 0)
            {
                await moving();
            }

            await job.Program.WriteAsync("go\n");
        }
    }
}
