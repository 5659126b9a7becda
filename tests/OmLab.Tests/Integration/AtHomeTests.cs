namespace OpenMosix.Lab.Tests.Integration;

/// <summary>At home nothing is in the way: not before the first move, and not after a return.</summary>
[Collection(ClusterCollection.Name)]
public sealed class AtHomeTests(ClusterLab lab)
{
    // Everything that could be in the way of a process, as it sees it itself. No process of its own is needed to look.
    private const string Look = """
        while read -r line; do
            while read -r key value; do case $key in TracerPid:|Seccomp:|Seccomp_filters:|NoNewPrivs:|SigIgn:|SigCgt:|SigBlk:) echo "$key $value" ;; esac; done < /proc/self/status
            while read -r range rest; do case $rest in */*) echo "${rest##* }" ;; esac; done < /proc/self/maps | sort -u
            for each in /proc/self/fd/*; do echo "${each##*/}"; done
            echo "$line done"
        done
        """;

    [Fact]
    public async Task Process_NotMoved_IsAsWithoutOmrun()
    {
        lab.Need();
        using var alone = Job.StartNative(lab, $"moved bash -c '{Look}' < <(echo once)");
        using var job = Job.Start(lab, $"moved bash -c '{Look}' < <(echo once)");
        await job.NextPidAsync();
        (await job.EndAsync()).MustEqual(await alone.EndAsync(), "");
    }

    [Fact]
    public async Task Process_MovedAndReturned_IsAsBefore()
    {
        lab.Need();
        using var job = Job.Start(lab, $"moved bash -c '{Look}'");
        var mover = new Mover(lab, await job.NextPidAsync(), 7);
        await job.Program.WriteAsync("first\n");
        await job.Program.WroteAsync("first done");
        Assert.True(await mover.ToAsync("pc2") && await mover.ToAsync("pc3") && await mover.ToAsync("pc1"), mover.History);
        await job.Program.WriteAsync("second\n");
        var parts = (await job.EndAsync(mover)).Outcome.Succeeded().Output.Split("first done\n");
        Assert.Equal(parts[0], parts[1].Replace("second done\n", "", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Omrun_Command_IsTheSameProcess()
    {
        lab.Need();
        var outcome = await lab.ExecAsync("pc1", "bash", "-c", "echo $$ $PPID; exec omrun -- bash -c 'echo $$ $PPID; exit 12'");
        var lines = outcome.Output.Split('\n');
        Assert.Equal(lines[0], lines[1]);
        Assert.Equal(12, outcome.Status);
    }

    [Fact]
    public async Task Omrun_Command_ExecutesTheSameNumberOfInstructions()
    {
        lab.Need();
        var steps = Path.Combine(Running.Repository.Root, "out", "tests", "steps");
        // Every instruction is a stop under ptrace: a short program.
        string[] command = ["false"];
        var alone = await lab.AskAsync("pc1", [steps, .. command]);
        Assert.EndsWith("status 1", alone, StringComparison.Ordinal);
        Assert.Equal(alone, await lab.AskAsync("pc1", [steps, "omrun", "--", .. command]));
    }
}
