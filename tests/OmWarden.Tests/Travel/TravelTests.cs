using OpenMosix.Protocol.V1;
using OpenMosix.Warden.Tests.Harness;

namespace OpenMosix.Warden.Tests.Travel;

/// <summary>The straight path of a process that leaves, works, and comes back: two real wardens, a small stand-in for their daemons.</summary>
public sealed class TravelTests : IAsyncLifetime
{
    private readonly string root = Directory.CreateTempSubdirectory("omwarden-test-").FullName;
    private TestNode pc1 = null!, pc2 = null!, pc3 = null!;

    public async ValueTask InitializeAsync()
    {
        Privileged.OrSkip();
        try
        {
            await StartAsync();
        }
        catch
        {
            await DisposeAsync(); // nobody else does when this fails
            throw;
        }
    }

    private async Task StartAsync()
    {
        CancellationToken cancel = TestContext.Current.CancellationToken;
        var certificates = new TestCertificates(root);
        pc1 = await TestNode.StartAsync("pc1", root, certificates, cancel);
        pc2 = await TestNode.StartAsync("pc2", root, certificates, cancel);
        pc3 = await TestNode.StartAsync("pc3", root, certificates, cancel);
        TestNode[] nodes = [pc1, pc2, pc3];
        foreach (TestNode node in nodes)
            foreach (TestNode peer in nodes.Where(peer => peer != node))
                await node.DoAsync(new() { Peer = new() { Node = peer.Name, Address = "127.0.0.1", Port = peer.LinkPort } });
    }

    public async ValueTask DisposeAsync()
    {
        foreach (TestNode? node in (TestNode?[])[pc1, pc2, pc3])
            if (node is not null)
                await node.DisposeAsync();
        Directory.Delete(root, recursive: true);
    }

    private string LogFile => Path.Combine(root, "log");

    [Fact]
    public async Task Traveller_ToAndFro_AnswersAsAtHome()
    {
        string[] questions = [.. Enumerable.Range(0, 10).Select(i => $"question-{i}")];
        using var settled = new Traveller(Path.Combine(root, "settled"));
        using var traveller = new Traveller(LogFile);
        Assert.Equal("ready", await settled.AnswerAsync());
        Assert.Equal("ready", await traveller.AnswerAsync());
        var move = new TestMove(pc1, traveller.Pid);
        TestNode[] way = [pc2, pc1, pc2, pc3, pc2, pc1];
        for (int i = 0; i < questions.Length; i++)
        {
            string expected = (await settled.TellAsync(questions[i]))!.Replace($"pid {settled.Pid}", $"pid {traveller.Pid}");
            Assert.Equal(expected, await traveller.TellAsync(questions[i]));
            if (i < way.Length)
                await move.ToAsync(way[i]);
        }
        Assert.Equal(7, await traveller.EndAsync());
        Assert.Equal(7, await settled.EndAsync());
        Assert.Equal((await File.ReadAllTextAsync(Path.Combine(root, "settled"), TestContext.Current.CancellationToken)).Replace($"pid {settled.Pid}", $"pid {traveller.Pid}"),
            await File.ReadAllTextAsync(LogFile, TestContext.Current.CancellationToken));
    }

    private async Task<(Traveller, TestMove)> AwayAsync()
    {
        var traveller = new Traveller(LogFile);
        Assert.Equal("ready", await traveller.AnswerAsync());
        var move = new TestMove(pc1, traveller.Pid);
        await move.ToAsync(pc2);
        return (traveller, move);
    }

    [Fact]
    public async Task Freeze_DaemonGone_ProcessGoesOn()
    {
        using var traveller = new Traveller(LogFile);
        Assert.Equal("ready", await traveller.AnswerAsync());
        var move = new TestMove(pc1, traveller.Pid);
        await move.FreezeAsync();
        await pc1.DisconnectAsync();
        Assert.StartsWith("question", await traveller.TellAsync("question"), StringComparison.Ordinal);
        await pc1.ConnectAsync(TestContext.Current.CancellationToken);
        Assert.Empty((await pc1.DoAsync(new() { Status = new() })).Status.Processes);
        Assert.Equal(7, await traveller.EndAsync());
    }

    [Fact]
    public async Task Restore_DaemonGone_NothingIsLeft()
    {
        using var traveller = new Traveller(LogFile);
        Assert.Equal("ready", await traveller.AnswerAsync());
        var move = new TestMove(pc1, traveller.Pid);
        await move.RestoreAsync(pc1, pc2);
        int remote = (await pc2.DoAsync(new() { Status = new() })).Status.Processes.Single().Pid;
        using var pidfd = Interop.Processes.OpenPidfd(remote);
        await pc2.DisconnectAsync();
        Interop.Processes.WaitForEnd(pidfd!);
        await pc2.ConnectAsync(TestContext.Current.CancellationToken);
        Assert.Empty((await pc2.DoAsync(new() { Status = new() })).Status.Processes);
        await move.ThawAsync();
        Assert.StartsWith("question", await traveller.TellAsync("question"), StringComparison.Ordinal);
        Assert.Equal(7, await traveller.EndAsync());
    }

    [Fact]
    public async Task Kill_OfDeputy_EndsRemote()
    {
        (Traveller traveller, _) = await AwayAsync();
        using (traveller)
        {
            traveller.Signal(9);
            Assert.Equal(128 + 9, await traveller.EndedAsync());
            await pc1.EventAsync(happened => happened.Ended is not null);
            await pc2.EventAsync(happened => happened.Ended is not null);
            Assert.Empty((await pc2.DoAsync(new() { Status = new() })).Status.Processes);
        }
    }

    [Theory]
    [InlineData("crash", 11)]
    [InlineData("abort", 6)]
    public async Task Death_OfRemote_IsTheDeputysToo(string how, int signal)
    {
        (Traveller traveller, _) = await AwayAsync();
        using (traveller)
        {
            await traveller.WriteAsync(how);
            Assert.Equal(128 + signal, await traveller.EndedAsync());
            await pc1.EventAsync(happened => happened.Ended is not null);
            await pc2.EventAsync(happened => happened.Ended is not null);
            Assert.Empty((await pc1.DoAsync(new() { Status = new() })).Status.Processes);
        }
    }

    [Fact]
    public async Task Signal_WhileComputing_IsHandledByTheBody()
    {
        (Traveller traveller, _) = await AwayAsync();
        using (traveller)
        {
            Assert.Equal("spinning", await traveller.TellAsync("spin"));
            traveller.Signal(10);
            Assert.Equal("spun", await traveller.AnswerAsync());
            Assert.Equal("signals 1 value 0 code 0", await traveller.TellAsync("signals"));
            Assert.Equal(7, await traveller.EndAsync());
        }
    }

    [Fact]
    public async Task Signal_WhileReading_RestartsTheCall()
    {
        (Traveller traveller, _) = await AwayAsync();
        using (traveller)
        {
            await ProcessState.UntilInCallAsync((await pc2.DoAsync(new() { Status = new() })).Status.Processes.Single().Pid, 0);
            traveller.Signal(10);
            traveller.Signal(10);
            // Both may have become one: SIGUSR1 does not queue. What is certain is that none was lost and the read went on.
            string? answer = await traveller.TellAsync("signals");
            Assert.Matches("^signals [12] value 0 code 0$", answer);
            Assert.Equal(7, await traveller.EndAsync());
        }
    }

    [Fact]
    public async Task Signal_WhileSleeping_InterruptsTheCall()
    {
        (Traveller traveller, _) = await AwayAsync();
        using (traveller)
        {
            await traveller.WriteAsync("wait");
            await ProcessState.UntilInCallAsync((await pc2.DoAsync(new() { Status = new() })).Status.Processes.Single().Pid, 35, 230);
            traveller.Signal(10);
            Assert.Equal("woken EINTR", await traveller.AnswerAsync());
            Assert.Equal(7, await traveller.EndAsync());
        }
    }

    [Fact]
    public async Task Disposition_ChangedWhileAway_HoldsAtHome()
    {
        (Traveller traveller, TestMove move) = await AwayAsync();
        using (traveller)
        {
            Assert.Equal("ignoring", await traveller.TellAsync("ignore"));
            traveller.Signal(12);
            Assert.Equal("catching", await traveller.TellAsync("catch"));
            traveller.Signal(15);
            Assert.Equal("signals 1 value 0 code 0", await traveller.TellAsync("signals"));
            await move.ToAsync(pc1);
            traveller.Signal(12);
            traveller.Signal(15);
            Assert.Equal("signals 2 value 0 code 0", await traveller.TellAsync("signals"));
            Assert.Equal(7, await traveller.EndAsync());
        }
    }

    [Fact]
    public async Task Stop_OfDeputy_StopsTheBody()
    {
        (Traveller traveller, _) = await AwayAsync();
        using (traveller)
        {
            Assert.Equal("spinning", await traveller.TellAsync("spin"));
            traveller.Signal(19);
            int remote = (await pc2.DoAsync(new() { Status = new() })).Status.Processes.Single().Pid;
            // Held still between two instructions, or in a call that the stopped deputy does not answer.
            await ProcessState.UntilAsync(remote, "tD");
            traveller.Signal(18);
            await ProcessState.UntilAsync(remote, "R");
            traveller.Signal(10);
            Assert.Equal("spun", await traveller.AnswerAsync());
            Assert.Equal(7, await traveller.EndAsync());
        }
    }

    [Fact]
    public async Task Execve_WhileAway_GoesOnAtHome()
    {
        (Traveller traveller, _) = await AwayAsync();
        using (traveller)
        {
            Assert.Equal("exec: No such file or directory", await traveller.TellAsync("badexec"));
            Assert.Equal("hello from home", await traveller.TellAsync("exec hello from home"));
            Assert.Equal(0, await traveller.EndedAsync());
            await pc1.EventAsync(happened => happened.WentOn is not null);
            await pc2.EventAsync(happened => happened.Ended is not null);
        }
    }

    [Fact]
    public async Task Fork_WhileAway_ChildHasADeputyAndABodyOfItsOwn()
    {
        (Traveller traveller, TestMove move) = await AwayAsync();
        using (traveller)
        {
            Assert.Equal("child 41", await traveller.TellAsync("fork"));
            HeldProcess body = (await pc2.EventAsync(happened => happened.Began is not null)).Began.Process;
            HeldProcess deputy = (await pc1.EventAsync(happened => happened.Began is not null)).Began.Process;
            Assert.Equal((body.Key, body.HomePid, HeldProcess.Types.Role.Remote), (deputy.Key, deputy.Pid, body.Role));
            Assert.Equal(("pc2", HeldProcess.Types.Role.Deputy), (deputy.Peer, deputy.Role));
            await pc1.EventAsync(happened => happened.Ended?.Key == body.Key);
            await move.ToAsync(pc3);
            Assert.StartsWith("question", await traveller.TellAsync("question"), StringComparison.Ordinal);
            Assert.Equal(7, await traveller.EndAsync());
        }
    }

    [Fact]
    public async Task Map_OfAFile_ShowsItsContent()
    {
        (Traveller traveller, TestMove move) = await AwayAsync();
        using (traveller)
        {
            string file = Path.Combine(root, "mapped");
            await File.WriteAllTextAsync(file, "content of the file to be mapped".PadRight(6000, 'x'), TestContext.Current.CancellationToken);
            Assert.Equal("map content of the file  120", await traveller.TellAsync("map " + file));
            await move.ToAsync(pc1);
            Assert.Equal("map content of the file  120", await traveller.TellAsync("map " + file));
            Assert.Equal(7, await traveller.EndAsync());
        }
    }
}
