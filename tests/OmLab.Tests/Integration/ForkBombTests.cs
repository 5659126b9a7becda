using System.Text.Json;
using OpenMosix.Lab.State;
using OpenMosix.Lab.Tests.Running;

namespace OpenMosix.Lab.Tests.Integration;

/// <summary>
/// A program that forks without end where it was moved to, and so do its children: what limits it is what limits it at home; both nodes
/// serve others meanwhile; and its end at home leaves nothing on either.
/// </summary>
[Collection(HostileCollection.Name)]
public sealed class ForkBombTests(HostileLab lab)
{
    private const int Processes = 200;
    private const int Killed = 128 + 9;

    /// <summary>Of a million that it forks one may be without a body until it is killed (src/DESIGN.md, "What is not there yet").</summary>
    private const int Fewest = Processes - 20;

    private static readonly string Bomb = Path.Combine(Repository.Root, "out", "tests", "bomb");

    [Fact]
    public async Task Bomb_UnderAPidsLimitAtHome_LeavesBothNodesHealthy()
    {
        lab.Need();
        var node = LabStore.Open(lab.Name).Cgroups.Select(directory => Path.Combine(directory, "pc1")).FirstOrDefault(each => File.Exists(Path.Combine(each, "pids.max")));
        Assert.SkipWhen(node is null, "no cgroup pids controller");
        var cgroup = Directory.CreateDirectory(Path.Combine(node, "bomb"));
        try
        {
            await File.WriteAllTextAsync(Path.Combine(cgroup.FullName, "pids.max"), $"{Processes}", TestContext.Current.CancellationToken);
            await IsHarmlessAsync($"echo $$ > {cgroup.FullName}/cgroup.procs; moved {Bomb}");
        }
        finally
        {
            cgroup.Delete();
        }
    }

    [Fact]
    public async Task Bomb_UnderALimitOfItsUser_LeavesBothNodesHealthy()
    {
        lab.Need();
        await IsHarmlessAsync($"moved {Bomb} {Processes}");
    }

    /// <summary>Who is killed while it forks leaves no child that nobody knows.</summary>
    [Fact]
    public async Task Bomb_KilledOneByOneWhileItForks_LeavesNothing()
    {
        lab.Need();
        await IsHarmlessAsync($"moved {Bomb} {Processes}", oneByOne: true);
    }

    private async Task IsHarmlessAsync(string script, bool oneByOne = false)
    {
        string[] before = [await lab.StandAsync("pc1"), await lab.StandAsync("pc2")];
        using var job = Job.Start(lab, script);
        var pid = await job.NextPidAsync();
        await job.Program.WroteAsync("ready\n");
        var mover = new Mover(lab, pid, 0);
        Assert.True(await mover.ToAsync("pc2"), mover.History);

        try
        {
            await job.Program.WriteAsync("go\n");
            await job.Program.WroteAsync("refused\n");
            await HeardAsync(hosted => hosted is >= Fewest and <= Processes);
            await OthersAreServedAsync();
            await HeardAsync(hosted => hosted is >= Fewest and <= Processes);
            if (oneByOne)
            {
                await lab.AskAsync("pc1", "pkill", "-9", "-x", "bomb");
                await EachHasABodyAsync();
            }
        }
        finally
        {
            await lab.AskAsync("pc1", "sh", "-c", $"env kill -9 -- -{pid}; true"); // the shell's own knows no "--"
        }

        var result = (await job.EndAsync()).Outcome;
        Assert.True(result.Status == Killed, result.ToString());
        await lab.EmptyAsync();
        string[] after = [await lab.StandAsync("pc1"), await lab.StandAsync("pc2")];
        Assert.Equal(before, after);
        await HeardAsync(hosted => hosted == 0);
    }

    /// <summary>Nodes say once a second what they have.</summary>
    private async Task HeardAsync(Func<int, bool> isSo)
    {
        while (!isSo(await HostedAsync()))
        {
            await Task.Delay(100, TestContext.Current.CancellationToken);
        }
    }

    /// <summary>Those that were forked while others were killed go on, where there is a body for each.</summary>
    private async Task EachHasABodyAsync()
    {
        using var enough = new CancellationTokenSource(TimeSpan.FromMinutes(1));
        string left;
        int hosted;
        do
        {
            left = (await lab.AskAsync("pc1", "sh", "-c", "pgrep -c -x bomb || true")).Trim();
            hosted = await HostedAsync();
        }
        while (left != $"{hosted}" && !enough.IsCancellationRequested);
        Assert.Equal(left, $"{hosted}");
    }

    private async Task OthersAreServedAsync()
    {
        using var other = Job.Start(lab, "moved cat");
        var mover = new Mover(lab, await other.NextPidAsync(), 0);
        await other.Program.WriteAsync("at home\n");
        await other.Program.WroteAsync("at home\n");
        foreach (var node in (string[])["pc2", "pc1"])
        {
            Assert.True(await mover.ToAsync(node), mover.History);
            await other.Program.WriteAsync($"on {node}\n");
            await other.Program.WroteAsync($"on {node}\n");
        }

        Assert.Equal(0, (await other.EndAsync()).Outcome.Status);
    }

    /// <summary>How many bodies pc2 has. It is alive, and so is pc1, as both see it.</summary>
    private async Task<int> HostedAsync()
    {
        var hosted = 0;
        foreach (var asked in (string[])["pc1", "pc2"])
        {
            using var reply = JsonDocument.Parse(await lab.AskAsync(asked, "omctl", "nodes", "--json"));
            var nodes = reply.RootElement.GetProperty("nodes").EnumerateArray().ToArray();
            Assert.All(nodes, node => Assert.True(node.GetProperty("alive").GetBoolean()));
            hosted = nodes.Single(node => node.GetProperty("node").GetString() == "pc2").GetProperty("hosted").GetInt32();
        }

        return hosted;
    }
}
