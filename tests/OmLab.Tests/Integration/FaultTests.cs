using System.Text;
using OpenMosix.Lab.Tests.Running;

namespace OpenMosix.Lab.Tests.Integration;

/// <summary>
/// A move that breaks at a named stage, or one of whose ends loses its power, its daemon or its warden there: the process goes on where it was,
/// unchanged, each of its lines read and answered once, and nothing leaks.
/// </summary>
public sealed class FaultTests(FaultTests.Machine lab) : IClassFixture<FaultTests.Machine>, IAsyncDisposable
{
    public sealed class Machine() : TestLab("faults", null, "3")
    {
        public override async ValueTask InitializeAsync()
        {
            await base.InitializeAsync();
            if (Missing is null)
            {
                await Task.WhenAll(ClusterLab.Nodes.Select(AllowFaultsAsync));
                await SeeEachOtherAsync();
            }
        }

        private async Task AllowFaultsAsync(string node)
        {
            await AskAsync(node, "sh", "-c", "echo allow-faults = yes > /etc/openmosix/openmosixd.conf");
            (await OmlabAsync("restart", node, "daemon")).Succeeded();
        }
    }

    private const string Script = """
        moved python3 -u -c "
        import hashlib, os, sys
        table = [os.urandom(1 << 20) for _ in range(8)]
        digest = hashlib.sha256(b''.join(table)).hexdigest()
        for line in sys.stdin:
            print('echo', line.strip(), hashlib.sha256(b''.join(table)).hexdigest() == digest)
        "
        """;

    /// <summary>Three that share memory: each line is answered when the other two have seen it there, and found the rest of it as it was.</summary>
    private const string Group = """
        moved python3 -u -c "
        import hashlib, mmap, os, sys, time
        shared = mmap.mmap(-1, 8 << 20)
        shared[4096:4 << 20] = os.urandom((4 << 20) - 4096)
        digest = hashlib.sha256(shared[4096:]).digest()
        for member in (1, 2):
            if os.fork() == 0:
                while shared[0] != 255:
                    if shared[member] != shared[0]:
                        shared[16 + member] = hashlib.sha256(shared[4096:]).digest() == digest
                        shared[member] = shared[0]
                    time.sleep(0.002)
                os._exit(0)
        for number, line in enumerate(sys.stdin, 1):
            shared[0] = number
            while shared[1] != number or shared[2] != number:
                time.sleep(0.002)
            print('echo', line.strip(), hashlib.sha256(shared[4096:]).digest() == digest and shared[17] == shared[18] == 1)
        shared[0] = 255
        sys.exit(os.wait()[1] | os.wait()[1])
        "
        """;

    private readonly HashSet<string> _faulty = [];

    /// <summary>Two processes on their way to the same node: one leaves its home, one the node that hosts it.</summary>
    [Theory]
    [InlineData("ship")]
    [InlineData("restore")]
    [InlineData("commit")]
    public async Task Target_LosesPowerAtStage_ProcessesGoOnWhereTheyWere(string stage)
    {
        lab.Need();
        using var fromHome = await Talk.BeginAsync(lab, 11);
        using var fromHost = await Talk.BeginAsync(lab, 12);
        Assert.True(await fromHost.Mover.ToAsync("pc2"), fromHost.Mover.History);
        await SetFaultAsync("pc3", $"{stage}:hang");
        Task<bool>[] moves;
        using (var watch = lab.StartIn("pc3", "omctl", "watch", "--json"))
        {
            await watch.WroteAsync("\"watching\"");
            moves = [fromHome.Mover.ToAsync("pc3"), fromHost.Mover.ToAsync("pc3")];
            await watch.WroteAsync("\"fault\"", times: 2);
            (await lab.OmlabAsync("kill", "pc3")).Succeeded();
            await watch.EndAsync();
        }

        Assert.All(await Task.WhenAll(moves), Assert.False);
        await fromHome.SayAsync("after");
        await fromHost.SayAsync("after");
        await NothingLeakedAsync(fromHome.Pid);
        (await lab.OmlabAsync("start", "pc3")).Succeeded();
        await lab.SeeEachOtherAsync();
        foreach (var talk in new[] { fromHome, fromHost })
        {
            Assert.True(await talk.Mover.ToAsync("pc3"), talk.Mover.History);
            await talk.SayAsync("there after all");
            Assert.True(await talk.Mover.ToAsync("pc1"), talk.Mover.History);
            await talk.SayAsync("home");
            await NothingLeakedAsync(talk.Pid);
            await talk.EndAsync();
        }

        await NothingHostedAsync("pc2", "pc3");
    }

    [Theory]
    [InlineData("ship")]
    [InlineData("restore")]
    [InlineData("commit")]
    public async Task Target_LosesPowerAtStage_GroupGoesOnAtHome(string stage)
    {
        lab.Need();
        using var talk = await Talk.BeginAsync(lab, 18, Group);
        await SetFaultAsync("pc3", $"{stage}:hang");
        Task<bool> move;
        using (var watch = lab.StartIn("pc3", "omctl", "watch", "--json"))
        {
            await watch.WroteAsync("\"watching\"");
            move = talk.Mover.ToAsync("pc3");
            await watch.WroteAsync("\"fault\"");
            (await lab.OmlabAsync("kill", "pc3")).Succeeded();
            await watch.EndAsync();
        }

        Assert.False(await move, talk.Mover.History);
        await talk.SayAsync("after");
        await NothingLeakedAsync(talk.Pid);
        (await lab.OmlabAsync("start", "pc3")).Succeeded();
        await lab.SeeEachOtherAsync();
        await ToAndHomeAsync(talk, "pc3");
        await talk.EndAsync();
        await NothingHostedAsync("pc3");
    }

    [Theory]
    [InlineData("pc1", "freeze")]
    [InlineData("pc1", "snapshot")]
    [InlineData("pc1", "commit")]
    [InlineData("pc2", "ship")]
    [InlineData("pc2", "restore")]
    [InlineData("pc2", "commit")]
    public async Task Stage_Fails_GroupGoesOnAtHome(string faulty, string stage)
    {
        lab.Need();
        using var talk = await Talk.BeginAsync(lab, 19, Group);
        await SetFaultAsync(faulty, $"{stage}:fail");
        Assert.False(await talk.Mover.ToAsync("pc2"), talk.Mover.History);
        await talk.SayAsync("after");
        await NothingLeakedAsync(talk.Pid);
        await NothingHostedAsync("pc2");
        await LiftFaultAsync(faulty);
        await ToAndHomeAsync(talk, "pc2");
        await talk.EndAsync();
    }

    /// <summary>Each of them has a gate of its own in one cell: the next warden serves all of them.</summary>
    [Theory]
    [InlineData("pc1", "warden", "")]
    [InlineData("pc1", "warden", "--kill")]
    [InlineData("pc2", "warden", "")]
    [InlineData("pc2", "warden", "--kill")]
    [InlineData("pc2", "daemon", "--kill")]
    public async Task Service_RestartedWhileAGroupIsAway_AllGoOn(string node, string service, string how)
    {
        lab.Need();
        using var talk = await Talk.BeginAsync(lab, 20, Group);
        Assert.True(await talk.Mover.ToAsync("pc2"), talk.Mover.History);
        await talk.SayAsync("there");
        (await lab.OmlabAsync([.. new[] { "restart", node, service, how }.Where(word => word.Length > 0)])).Succeeded();
        await talk.SayAsync("after");
        await lab.SeeEachOtherAsync();
        await ToAndHomeAsync(talk, "pc3");
        await talk.EndAsync();
        await NothingHostedAsync("pc2", "pc3");
    }

    private async Task ToAndHomeAsync(Talk talk, string node)
    {
        Assert.True(await talk.Mover.ToAsync(node), talk.Mover.History);
        await talk.SayAsync("there after all");
        Assert.True(await talk.Mover.ToAsync("pc1"), talk.Mover.History);
        await talk.SayAsync("home");
        await NothingLeakedAsync(talk.Pid);
    }

    [Theory]
    [InlineData("pc1", "pc2", "pc1", "freeze")]
    [InlineData("pc1", "pc2", "pc1", "snapshot")]
    [InlineData("pc1", "pc2", "pc1", "commit")]
    [InlineData("pc1", "pc2", "pc2", "ship")]
    [InlineData("pc1", "pc2", "pc2", "restore")]
    [InlineData("pc1", "pc2", "pc2", "commit")]
    [InlineData("pc2", "pc3", "pc2", "freeze")]
    [InlineData("pc2", "pc3", "pc2", "snapshot")]
    [InlineData("pc2", "pc3", "pc3", "commit")]
    [InlineData("pc2", "pc1", "pc1", "ship")]
    [InlineData("pc2", "pc1", "pc1", "return")]
    [InlineData("pc2", "pc1", "pc1", "commit")]
    public async Task Stage_Fails_ProcessGoesOnWhereItWas(string from, string to, string faulty, string stage)
    {
        lab.Need();
        using var talk = await Talk.BeginAsync(lab, 13);
        Assert.True(from == "pc1" || await talk.Mover.ToAsync(from), talk.Mover.History);
        await SetFaultAsync(faulty, $"{stage}:fail");
        Assert.False(await talk.Mover.ToAsync(to), talk.Mover.History);
        Assert.Contains(stage, talk.Mover.History, StringComparison.OrdinalIgnoreCase);
        await talk.SayAsync("after");
        if (from == "pc1")
        {
            await NothingLeakedAsync(talk.Pid);
        }

        if (to != "pc1")
        {
            await NothingHostedAsync(to);
        }

        await LiftFaultAsync(faulty);
        Assert.True(await talk.Mover.ToAsync(to), talk.Mover.History);
        await talk.SayAsync("there after all");
        await talk.EndAsync();
    }

    [Theory]
    [InlineData("daemon")]
    [InlineData("warden")]
    public async Task Target_ServiceDiesInShip_ProcessGoesOnAtHome(string service)
    {
        lab.Need();
        using var talk = await Talk.BeginAsync(lab, 14);
        var move = await MoveIntoFaultAsync(talk, "pc2", "ship:hang");
        (await lab.OmlabAsync("restart", "pc2", service, "--kill")).Succeeded();
        Assert.False(await move, talk.Mover.History);
        await talk.SayAsync("after");
        await NothingLeakedAsync(talk.Pid);
        await NothingHostedAsync("pc2");
        await LiftFaultAsync("pc2");
        await lab.SeeEachOtherAsync();
        Assert.True(await talk.Mover.ToAsync("pc2"), talk.Mover.History);
        await talk.SayAsync("there after all");
        await talk.EndAsync();
    }

    /// <summary>The hosting node's warden lets its body go on. So the move must not: the pages are of a body that has run since.</summary>
    [Theory]
    [InlineData("daemon", "pc3", "ship")]
    [InlineData("warden", "pc3", "ship")]
    [InlineData("daemon", "pc1", "commit")]
    [InlineData("warden", "pc1", "commit")]
    public async Task Source_ServiceDiesBeforeTheTargetIsExpected_BodyGoesOnThere(string service, string pausing, string stage)
    {
        lab.Need();
        using var talk = await Talk.BeginAsync(lab, 15);
        Assert.True(await talk.Mover.ToAsync("pc2"), talk.Mover.History);
        var move = await MoveIntoFaultAsync(talk, "pc3", $"{stage}:pause", pausing);
        (await lab.OmlabAsync("restart", "pc2", service, "--kill")).Succeeded();
        await talk.SayAsync("meanwhile");
        await LiftFaultAsync(pausing);
        Assert.False(await move, talk.Mover.History);
        await talk.SayAsync("after");
        await NothingHostedAsync("pc3");
        await lab.SeeEachOtherAsync();
        Assert.True(await talk.Mover.ToAsync("pc3"), talk.Mover.History);
        await talk.SayAsync("there after all");
        await talk.EndAsync();
        await NothingHostedAsync("pc2");
    }

    /// <summary>Its epoch is over: the body that was let go on there gets nothing done any more.</summary>
    [Theory]
    [InlineData("daemon")]
    [InlineData("warden")]
    public async Task Source_ServiceDiesInCommit_OnlyTheTargetsBodyGoesOn(string service)
    {
        lab.Need();
        using var talk = await Talk.BeginAsync(lab, 16);
        Assert.True(await talk.Mover.ToAsync("pc2"), talk.Mover.History);
        var move = await MoveIntoFaultAsync(talk, "pc3", "commit:pause");
        (await lab.OmlabAsync("restart", "pc2", service, "--kill")).Succeeded();
        await talk.WriteAsync("meanwhile");
        await LiftFaultAsync("pc3");
        Assert.True(await move, talk.Mover.History);
        await talk.AnsweredAsync("meanwhile");
        await talk.SayAsync("after");
        await NothingHostedAsync("pc2");
        await lab.SeeEachOtherAsync();
        Assert.True(await talk.Mover.ToAsync("pc1"), talk.Mover.History);
        await talk.SayAsync("home");
        await NothingLeakedAsync(talk.Pid);
        await talk.EndAsync();
    }

    [Theory]
    [InlineData("daemon")]
    [InlineData("warden")]
    public async Task Source_ServiceDiesInCommitAndTargetFails_BodyGoesOnThereAfterAll(string service)
    {
        lab.Need();
        using var talk = await Talk.BeginAsync(lab, 17);
        Assert.True(await talk.Mover.ToAsync("pc2"), talk.Mover.History);
        var move = await MoveIntoFaultAsync(talk, "pc3", "commit:pause");
        (await lab.OmlabAsync("restart", "pc2", service, "--kill")).Succeeded();
        await talk.WriteAsync("meanwhile");
        await SetFaultAsync("pc3", "commit:fail");
        Assert.False(await move, talk.Mover.History);
        await talk.AnsweredAsync("meanwhile");
        await talk.SayAsync("after");
        await NothingHostedAsync("pc3");
        await LiftFaultAsync("pc3");
        await lab.SeeEachOtherAsync();
        Assert.True(await talk.Mover.ToAsync("pc1"), talk.Mover.History);
        await talk.SayAsync("home");
        await NothingLeakedAsync(talk.Pid);
        await talk.EndAsync();
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var node in _faulty)
        {
            await LiftFaultAsync(node);
        }
    }

    private async Task<Task<bool>> MoveIntoFaultAsync(Talk talk, string target, string fault, string? faulty = null)
    {
        await SetFaultAsync(faulty ?? target, fault);
        using var watch = lab.StartIn(faulty ?? target, "omctl", "watch", "--json");
        await watch.WroteAsync("\"watching\"");
        var move = talk.Mover.ToAsync(target);
        await watch.WroteAsync("\"fault\"");
        return move;
    }

    private async Task SetFaultAsync(string node, string fault)
    {
        _faulty.Add(node);
        await lab.AskAsync(node, "sh", "-c", $"echo {fault} > /run/openmosix/fault");
    }

    private Task LiftFaultAsync(string node) => lab.AskAsync(node, "rm", "-f", "/run/openmosix/fault");

    private async Task NothingLeakedAsync(int pid)
    {
        var status = await lab.AskAsync("pc1", "grep", "-E", "TracerPid|Seccomp:", $"/proc/{pid}/status");
        Assert.Equal("TracerPid:\t0\nSeccomp:\t0", status);
        Assert.Equal("0", await lab.AskAsync("pc1", "sh", "-c", $"grep -c openmosix /proc/{pid}/maps || true"));
    }

    private async Task NothingHostedAsync(params string[] nodes)
    {
        foreach (var node in nodes)
        {
            Assert.DoesNotContain("hosted", await lab.AskAsync(node, "omctl", "ps", "--all", "--json"), StringComparison.Ordinal);
            Assert.DoesNotContain("python3", await lab.AskAsync(node, "sh", "-c", "cat /proc/[0-9]*/comm"), StringComparison.Ordinal);
        }
    }

    /// <summary>A process that answers each line it is told, and what it must have answered in the end.</summary>
    private sealed class Talk(Job job, int pid, Mover mover) : IDisposable
    {
        private readonly StringBuilder _answers = new();

        internal int Pid => pid;

        internal Mover Mover => mover;

        internal static async Task<Talk> BeginAsync(TestLab lab, int seed, string script = Script)
        {
            var job = Job.Start(lab, script);
            var pid = await job.NextPidAsync();
            var talk = new Talk(job, pid, new Mover(lab, pid, seed));
            await talk.SayAsync("before");
            return talk;
        }

        internal async Task SayAsync(string text)
        {
            await WriteAsync(text);
            await AnsweredAsync(text);
        }

        internal async Task WriteAsync(string text)
        {
            _answers.Append("echo ").Append(text).Append(" True\n");
            await job.Program.WriteAsync(text + "\n");
        }

        internal Task AnsweredAsync(string text) => job.Program.WroteAsync($"echo {text} True");

        internal async Task EndAsync() => Assert.Equal(_answers.ToString(), (await job.EndAsync()).Outcome.Succeeded().Output);

        public void Dispose() => job.Dispose();
    }
}
