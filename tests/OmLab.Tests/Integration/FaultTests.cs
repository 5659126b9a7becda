using OpenMosix.Lab.Tests.Running;

namespace OpenMosix.Lab.Tests.Integration;

/// <summary>A move that breaks at a named stage, or whose target loses its power there: the process goes on where it was, unchanged, nothing leaks.</summary>
public sealed class FaultTests(FaultTests.Machine lab) : IClassFixture<FaultTests.Machine>
{
    public sealed class Machine() : TestLab("faults", null, "2");

    private const string Script = """
        moved python3 -u -c "
        import hashlib, os, sys
        table = [os.urandom(1 << 20) for _ in range(8)]
        digest = hashlib.sha256(b''.join(table)).hexdigest()
        for line in sys.stdin:
            print('echo', line.strip(), hashlib.sha256(b''.join(table)).hexdigest() == digest)
        "
        """;

    [Theory]
    [InlineData("ship")]
    [InlineData("restore")]
    [InlineData("commit")]
    public async Task Target_LosesPowerAtStage_ProcessGoesOnAtHome(string stage)
    {
        lab.Need();
        await SetFaultAsync("pc2", $"{stage}:hang");
        using var job = Job.Start(lab, Script);
        var pid = await job.NextPidAsync();
        await SayAsync(job, "before");
        var mover = new Mover(lab, pid, 11);
        using (var watch = lab.StartIn("pc2", "omctl", "watch", "--json"))
        {
            await watch.WroteAsync("\"watching\"");
            var move = mover.ToAsync("pc2");
            await watch.WroteAsync("\"fault\"");
            (await lab.OmlabAsync("kill", "pc2")).Succeeded();
            Assert.False(await move, mover.History);
            await watch.EndAsync();
        }

        await SayAsync(job, "after");
        await NothingLeakedAsync(pid);
        (await lab.OmlabAsync("start", "pc2")).Succeeded();
        await SetFaultAsync("pc2", null);
        Assert.True(await mover.ToAsync("pc2"), mover.History);
        await SayAsync(job, "away after all");
        Assert.True(await mover.ToAsync("pc1"), mover.History);
        await SayAsync(job, "home");
        (await job.EndAsync()).Outcome.Succeeded();
        Assert.DoesNotContain("python3", await lab.AskAsync("pc2", "sh", "-c", "cat /proc/[0-9]*/comm"), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("pc1", "freeze")]
    [InlineData("pc1", "snapshot")]
    [InlineData("pc2", "ship")]
    [InlineData("pc2", "restore")]
    [InlineData("pc2", "commit")]
    public async Task Stage_Fails_ProcessGoesOnAtHome(string node, string stage)
    {
        lab.Need();
        await SetFaultAsync(node, $"{stage}:fail");
        using var job = Job.Start(lab, Script);
        var pid = await job.NextPidAsync();
        await SayAsync(job, "before");
        var mover = new Mover(lab, pid, 12);
        Assert.False(await mover.ToAsync("pc2"), mover.History);
        Assert.Contains(stage, mover.History, StringComparison.OrdinalIgnoreCase);
        await SayAsync(job, "after");
        await NothingLeakedAsync(pid);
        await SetFaultAsync(node, null);
        Assert.True(await mover.ToAsync("pc2"), mover.History);
        await SayAsync(job, "away after all");
        (await job.EndAsync()).Outcome.Succeeded();
    }

    [Theory]
    [InlineData("daemon")]
    [InlineData("warden")]
    public async Task Target_ServiceDiesWhileHungInShip_ProcessGoesOnAtHome(string service)
    {
        lab.Need();
        await SetFaultAsync("pc2", "ship:hang");
        using var job = Job.Start(lab, Script);
        var mover = new Mover(lab, await job.NextPidAsync(), 13);
        await SayAsync(job, "before");
        using var watch = lab.StartIn("pc2", "omctl", "watch", "--json");
        await watch.WroteAsync("\"watching\"");
        var move = mover.ToAsync("pc2");
        await watch.WroteAsync("\"fault\"");
        (await lab.OmlabAsync("restart", "pc2", service, "--kill")).Succeeded();
        Assert.False(await move, mover.History);
        await SayAsync(job, "after");
        await SetFaultAsync("pc2", null);
        Assert.True(await mover.ToAsync("pc2"), mover.History);
        await SayAsync(job, "away after all");
        (await job.EndAsync()).Outcome.Succeeded();
        watch.Signal(15);
        await watch.EndAsync();
    }

    // As an administrator would: a line of configuration, an environment file, a restart.
    private async Task SetFaultAsync(string node, string? fault)
    {
        await lab.AskAsync(node, "sh", "-c", $"echo allow-faults = yes > /etc/openmosix/openmosixd.conf; echo OPENMOSIX_FAULT={fault} > /etc/openmosix/openmosixd.env");
        (await lab.OmlabAsync("restart", node, "daemon")).Succeeded();
        await lab.SeeEachOtherAsync();
    }

    private async Task NothingLeakedAsync(int pid)
    {
        var status = await lab.AskAsync("pc1", "grep", "-E", "TracerPid|Seccomp:", $"/proc/{pid}/status");
        Assert.Equal("TracerPid:\t0\nSeccomp:\t0", status);
        Assert.Equal("0", await lab.AskAsync("pc1", "sh", "-c", $"grep -c openmosix /proc/{pid}/maps || true"));
    }

    private static async Task SayAsync(Job job, string text)
    {
        await job.Program.WriteAsync(text + "\n");
        await job.Program.WroteAsync($"echo {text} True");
    }
}
