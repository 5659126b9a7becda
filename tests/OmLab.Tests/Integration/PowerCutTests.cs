using OpenMosix.Lab.Tests.Running;

namespace OpenMosix.Lab.Tests.Integration;

/// <summary>The target of a move dies, or cannot be reached: the process goes on at home, unchanged, and nothing is left of the attempt.</summary>
public sealed class PowerCutTests(PowerCutTests.Machine lab) : IClassFixture<PowerCutTests.Machine>
{
    public sealed class Machine() : TestLab("powercut", null, "2");

    // Some 60 MiB that do not compress: at 50 Mbit/s its pages are on their way for seconds.
    private const string Script = """
        moved python3 -u -c "
        import os, sys, hashlib
        table = [os.urandom(1 << 20) for _ in range(60)]
        digest = hashlib.sha256(b''.join(table)).hexdigest()
        print('built')
        for line in sys.stdin:
            print('echo', line.strip(), hashlib.sha256(b''.join(table)).hexdigest() == digest)
        "
        """;

    [Theory]
    [InlineData("kill")]
    [InlineData("restart-daemon")]
    [InlineData("restart-warden")]
    public async Task Target_FailsWhilePagesAreShipped_ProcessGoesOnAtHome(string how)
    {
        lab.Need();
        (await lab.OmlabAsync("rate", "pc2", "50mbit")).Succeeded();
        using var job = Job.Start(lab, Script);
        var pid = await job.NextPidAsync();
        await job.Program.WroteAsync("built");
        using var watch = lab.StartIn("pc1", "omctl", "watch", "--json");
        var mover = new Mover(lab, pid, 10);
        var move = mover.ToAsync("pc2");
        await watch.WroteAsync("\"moving\"");
        (await lab.OmlabAsync(how switch
        {
            "kill" => (string[])["kill", "pc2"],
            "restart-daemon" => ["restart", "pc2", "daemon", "--kill"],
            _ => ["restart", "pc2", "warden", "--kill"],
        })).Succeeded();
        Assert.False(await move, mover.History);
        await job.Program.WriteAsync("unchanged\n");
        await job.Program.WroteAsync("echo unchanged True");

        if (how == "kill")
        {
            (await lab.OmlabAsync("start", "pc2")).Succeeded();
        }

        (await lab.OmlabAsync("rate", "pc2", "none")).Succeeded();
        Assert.Equal("0", await lab.AskAsync("pc1", "sh", "-c", $"awk '/^TracerPid/ {{ print $2 }}' /proc/{pid}/status"));
        Assert.DoesNotContain("python3", await lab.AskAsync("pc2", "sh", "-c", "cat /proc/[0-9]*/comm"), StringComparison.Ordinal);
        await lab.SeeEachOtherAsync();
        Assert.True(await mover.ToAsync("pc2") && await mover.ToAsync("pc1"), mover.History);
        await job.Program.WriteAsync("moved after all\n");
        await job.Program.WroteAsync("echo moved after all True");
        (await job.EndAsync()).Outcome.Succeeded();
        watch.Signal(15);
        await watch.EndAsync();
    }
}
