using OpenMosix.Protocol.V1;
using OpenMosix.Warden.Tests.Harness;
using Role = OpenMosix.Protocol.V1.HeldProcess.Types.Role;

namespace OpenMosix.Warden.Tests.Travel;

/// <summary>Two processes that share memory leave, go on, and come back together: real wardens, a small stand-in for their daemons.</summary>
public sealed class GroupTests : IAsyncLifetime
{
    private readonly string root = Directory.CreateTempSubdirectory("omwarden-test-").FullName;
    private readonly List<Traveller> travellers = [];
    private TestNode pc1 = null!, pc2 = null!, pc3 = null!;

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        Privileged.OrSkip();
        try
        {
            var certificates = new TestCertificates(root);
            pc1 = await TestNode.StartAsync("pc1", root, certificates, Cancelled);
            pc2 = await TestNode.StartAsync("pc2", root, certificates, Cancelled);
            pc3 = await TestNode.StartAsync("pc3", root, certificates, Cancelled);
            TestNode[] nodes = [pc1, pc2, pc3];
            foreach (TestNode node in nodes)
                foreach (TestNode peer in nodes.Where(peer => peer != node))
                    await node.DoAsync(new() { Peer = new() { Node = peer.Name, Address = "127.0.0.1", Port = peer.LinkPort } });
        }
        catch
        {
            await DisposeAsync(); // nobody else does when this fails
            throw;
        }
    }

    public async ValueTask DisposeAsync()
    {
        travellers.ForEach(traveller => traveller.Dispose());
        foreach (TestNode? node in (TestNode?[])[pc1, pc2, pc3])
            if (node is not null)
                await node.DisposeAsync();
        Directory.Delete(root, recursive: true);
    }

    [Fact]
    public async Task Group_ToAndFro_SharesItsMemoryEverywhere()
    {
        (Traveller first, Traveller second, TestGroup group) = await BeginAsync();
        TestNode[] way = [pc2, pc3, pc1, pc2, pc1];
        for (int i = 0; i < way.Length; i++)
        {
            await group.ToAsync(way[i]);
            Assert.Equal("11", await second.TellAsync("get 3"));
            Assert.Equal("put", await first.TellAsync($"put {100 + i} {i + 1}"));
            Assert.Equal("put", await second.TellAsync($"put {200 + i} {i + 51}"));
            for (int before = 0; before <= i; before++)
            {
                Assert.Equal($"{before + 1}", await second.TellAsync($"get {100 + before}"));
                Assert.Equal($"{before + 51}", await first.TellAsync($"get {200 + before}"));
            }
            Assert.Equal("0", await first.TellAsync("get 1000"));
            foreach (TestNode node in new[] { pc2, pc3 }.Where(node => node != way[i]))
                Assert.Empty(await HeldAsync(node));
            if (way[i] != pc1)
                Assert.Equal(group.Keys.Order(), (await HeldAsync(way[i])).Where(held => held.Role == Role.Remote).Select(held => held.Key).Order());
        }
        await AllIsWellAtHomeAsync(first, second);
    }

    /// <summary>Whoever goes away: all of them run there, or none.</summary>
    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(3)]
    [InlineData(10)]
    public async Task Run_DaemonGoneAtThatMoment_AllRunOrNone(int afterMs)
    {
        (Traveller first, Traveller second, TestGroup group) = await BeginAsync();
        for (int i = 0; i < 4; i++)
        {
            await group.ReadyAsync(pc2);
            Task<FromWarden> run = pc2.AskAsync(group.RunAll());
            await Task.Delay(afterMs, Cancelled);
            await pc2.DisconnectAsync();
            await Assert.ThrowsAnyAsync<Exception>(() => run.IsCompletedSuccessfully ? throw new IOException("it was answered") : run);
            await pc2.ConnectAsync(Cancelled);
            HeldProcess[] there = await SettledAsync(pc2);

            Assert.True(there.Length is 0 or 2, $"{there.Length} of two are there\n{string.Join('\n', pc2.Log)}");
            if (there.Length == 2)
            {
                await group.ForwardAsync(pc2);
                Assert.Equal("11", await second.TellAsync("get 3"));
                await group.ToAsync(pc1);
            }
            else
            {
                foreach (ulong key in group.Keys)
                    Assert.True(await group.TakeBackAsync(key));
                await group.ThawAsync();
            }
            await AllIsWellAsync(first, second);
        }
        await AllIsWellAtHomeAsync(first, second);
    }

    [Fact]
    public async Task Run_LeadersClaimIsRefused_NobodyRunsThere()
    {
        (Traveller first, Traveller second, TestGroup group) = await BeginAsync();
        await group.ReadyAsync(pc2);
        Assert.True(await group.TakeBackAsync(group.Keys[0]));

        Assert.NotNull((await pc2.AskAsync(group.RunAll())).Failure);

        Assert.DoesNotContain(await SettledAsync(pc2), held => held.Key == group.Keys[1] || held.Role == Role.Remote);
        await pc2.DoAsync(new() { Abort = new() { Key = group.Keys[0] } });
        Assert.Empty(await HeldAsync(pc2));
        Assert.True(await group.TakeBackAsync(group.Keys[1]));
        await group.ThawAsync();
        await AllIsWellAtHomeAsync(first, second);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    public async Task Abort_OfOne_TheOtherIsLeftAndCannotRunAlone(int gone)
    {
        (Traveller first, Traveller second, TestGroup group) = await BeginAsync();
        await group.ReadyAsync(pc2);
        await pc2.DoAsync(new() { Abort = new() { Key = group.Keys[gone] } });

        Assert.Equal([group.Keys[1 - gone]], (await HeldAsync(pc2)).Select(held => held.Key));
        Assert.NotNull((await pc2.AskAsync(group.RunAll())).Failure);
        await pc2.DoAsync(new() { Abort = new() { Key = group.Keys[1 - gone] } });
        Assert.Empty(await HeldAsync(pc2));
        foreach (ulong key in group.Keys)
            Assert.True(await group.TakeBackAsync(key));
        await group.ThawAsync();
        await AllIsWellAtHomeAsync(first, second);
    }

    [Fact]
    public async Task Restore_BesideOneThatIsNotThere_FailsByName()
    {
        Traveller traveller = await StartAsync("alone");
        var move = new TestMove(pc1, traveller.Pid);
        await move.FreezeAsync();
        WardenDescribed described = (await move.SnapshotAsync()).Described;
        FromWarden reply = await pc2.AskAsync(new() { Restore = new() { Key = move.Key, Epoch = 1, Image = described.Image, Home = "pc1", Limits = new() { Pids = 16 }, Beside = 4711 } });
        Assert.Contains("1267", reply.Failure.Message, StringComparison.Ordinal);
        Assert.Empty(await HeldAsync(pc2));
        await move.ThawAsync();
        Assert.Equal(7, await traveller.EndAsync());
    }

    [Fact]
    public async Task Member_EndsAway_TheOtherGoesOnThere()
    {
        (Traveller first, Traveller second, TestGroup group) = await BeginAsync();
        await group.ToAsync(pc2);
        Assert.Equal(7, await first.EndAsync());
        await pc2.EventAsync(happened => happened.Ended?.Key == group.Keys[0]);
        Assert.Equal("put", await second.TellAsync("put 5 55"));
        Assert.Equal("11", await second.TellAsync("get 3"));

        Assert.Equal([second.Pid], (await pc1.DoAsync(new() { Sharers = new() { Pid = second.Pid } })).Sharers.Pids);
        Assert.Equal(7, await second.EndAsync());
        await pc2.EventAsync(happened => happened.Ended?.Key == group.Keys[1]);
        Assert.Empty(await HeldAsync(pc2));
    }

    [Fact]
    public async Task Expect_HomesDaemonGoneBeforeRun_AllAreNativeAgain()
    {
        (Traveller first, Traveller second, TestGroup group) = await BeginAsync();
        await group.ReadyAsync(pc2);
        await pc1.DisconnectAsync();
        await pc1.ConnectAsync(Cancelled);
        while ((await HeldAsync(pc1)).Length > 0)
            await Task.Delay(5, Cancelled);

        foreach (ulong key in group.Keys)
            await pc2.DoAsync(new() { Abort = new() { Key = key } });
        Assert.Empty(await HeldAsync(pc2));
        await AllIsWellAtHomeAsync(first, second);
    }

    /// <summary>What the leader's claim has decided stays so for all, whoever of them has been heard yet.</summary>
    [Fact]
    public async Task Deputies_HomesDaemonGoneAfterRun_StayDeputies()
    {
        (Traveller first, Traveller second, TestGroup group) = await BeginAsync();
        await group.ReadyAsync(pc2);
        await pc2.DoAsync(group.RunAll());
        await pc1.DisconnectAsync();
        await pc1.ConnectAsync(Cancelled);
        HeldProcess[] deputies = await HeldAsync(pc1);

        Assert.Equal(2, deputies.Length);
        Assert.All(deputies, deputy => Assert.Equal(Role.Deputy, deputy.Role));
        await group.ForwardAsync(pc2);
        await AllIsWellAsync(first, second);
        await group.ToAsync(pc1);
        await AllIsWellAtHomeAsync(first, second);
    }

    private async Task<Traveller> StartAsync(string name)
    {
        var traveller = new Traveller(Path.Combine(root, name));
        travellers.Add(traveller);
        Assert.Equal("ready", await traveller.AnswerAsync());
        return traveller;
    }

    private async Task<(Traveller First, Traveller Second, TestGroup Group)> BeginAsync()
    {
        Traveller first = await StartAsync("first"), second = await StartAsync("second");
        Assert.Equal("shared", await first.TellAsync("share"));
        string range = File.ReadLines($"/proc/{first.Pid}/maps").Single(line => line.StartsWith("200000000000-", StringComparison.Ordinal)).Split(' ')[0];
        Assert.Equal("shared", await second.TellAsync($"share /proc/{first.Pid}/map_files/{range}"));
        Assert.Equal("put", await first.TellAsync("put 3 11"));
        return (first, second, new TestGroup(pc1, first.Pid, second.Pid));
    }

    private static async Task<HeldProcess[]> HeldAsync(TestNode node) => [.. (await node.DoAsync(new() { Status = new() })).Status.Processes];

    /// <summary>Until everything that is there runs: what was begun without a daemon is done, or undone.</summary>
    private static async Task<HeldProcess[]> SettledAsync(TestNode node)
    {
        for (int i = 0; ; i++)
        {
            HeldProcess[] held = await HeldAsync(node);
            if (held.All(one => one.Role == Role.Remote) || i == 200)
                return held;
            await Task.Delay(10, Cancelled);
        }
    }

    private static async Task AllIsWellAsync(Traveller first, Traveller second)
    {
        Assert.StartsWith("question", await first.TellAsync("question"), StringComparison.Ordinal);
        Assert.Equal("put", await first.TellAsync("put 7 77"));
        Assert.Equal("77", await second.TellAsync("get 7"));
        Assert.Equal("put", await second.TellAsync("put 7 78"));
        Assert.Equal("78", await first.TellAsync("get 7"));
        Assert.Equal("11", await first.TellAsync("get 3"));
    }

    private async Task AllIsWellAtHomeAsync(Traveller first, Traveller second)
    {
        await AllIsWellAsync(first, second);
        Assert.Empty(await HeldAsync(pc1));
        Assert.Equal(7, await first.EndAsync());
        Assert.Equal(7, await second.EndAsync());
    }
}
