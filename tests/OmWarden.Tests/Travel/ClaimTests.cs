using OpenMosix.Protocol.V1;
using OpenMosix.Warden.Tests.Harness;
using Role = OpenMosix.Protocol.V1.HeldProcess.Types.Role;

namespace OpenMosix.Warden.Tests.Travel;

/// <summary>A body presents its epoch, and home is silent or knows nothing of it: nobody else waits, and nobody but home decides.</summary>
public sealed class ClaimTests : IAsyncLifetime
{
    private const uint Nowhere = 1; // a port

    private readonly string root = Directory.CreateTempSubdirectory("omwarden-test-").FullName;
    private readonly List<Traveller> travellers = [];
    private TestNode pc1 = null!, pc2 = null!;

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        Privileged.OrSkip();
        try
        {
            var certificates = new TestCertificates(root);
            pc1 = await TestNode.StartAsync("pc1", root, certificates, Cancelled);
            pc2 = await TestNode.StartAsync("pc2", root, certificates, Cancelled);
            await LinkAsync(pc1.LinkPort);
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
        foreach (TestNode? node in (TestNode?[])[pc1, pc2])
            if (node is not null)
                await node.DisposeAsync();
        Directory.Delete(root, recursive: true);
    }

    [Fact]
    public async Task Run_HomeHasNoSuchProcess_EndsAtOnce()
    {
        Traveller traveller = await BeginAsync("one");
        var move = new TestMove(pc1, traveller.Pid);
        await move.RestoreAsync(pc1, pc2);

        Failure failure = (await pc2.AskAsync(new() { Run = new() { Key = move.Key, Epoch = 1 } })).Failure;

        Assert.Equal(3, failure.Errno);
        await pc2.EventAsync(happened => happened.Ended?.Key == move.Key);
        Assert.Empty(await HeldAsync());
        await move.ThawAsync();
        await AnswersAsync(traveller);
    }

    [Fact]
    public async Task Run_HomeIsSilent_NobodyElseEndsItAndItRunsWhenHomeIsHeard()
    {
        (Traveller traveller, TestMove move) = await UnansweredAsync();
        Assert.NotNull((await pc2.AskAsync(new() { Abort = new() { Key = move.Key } })).Failure);
        await pc2.DisconnectAsync();
        await pc2.ConnectAsync(Cancelled);
        Assert.Equal(Role.Restoring, (await HeldAsync()).Single().Role);

        await LinkAsync(pc1.LinkPort);

        Assert.Equal(Role.Remote, (await pc2.EventAsync(happened => happened.Began is not null)).Began.Process.Role);
        await pc1.DoAsync(new() { Committed = new() { Key = move.Key } });
        await AnswersAsync(traveller);
    }

    [Fact]
    public async Task Run_HomeIsSilentAndTakesBack_EndsWhenHomeIsHeard()
    {
        (Traveller traveller, TestMove move) = await UnansweredAsync();
        Assert.False((await pc1.DoAsync(new() { Expect = new() { Key = move.Key, Epoch = 2, Node = pc1.Name, TakeBack = true } })).Expected.Claimed);
        await move.ThawAsync();

        await LinkAsync(pc1.LinkPort);

        await pc2.EventAsync(happened => happened.Ended?.Key == move.Key);
        Assert.Empty(await HeldAsync());
        await AnswersAsync(traveller);
    }

    [Fact]
    public async Task Discard_HomeIsSilent_EndsIt()
    {
        (Traveller traveller, TestMove move) = await UnansweredAsync();
        await pc2.DoAsync(new() { Discard = new() { Key = move.Key } });
        Assert.Empty(await HeldAsync());
        await move.ThawAsync();
        await AnswersAsync(traveller);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task RunOfAGroup_HomeIsSilent_AllOrNoneWhenHomeIsHeard(bool claimed)
    {
        Traveller first = await BeginAsync("one"), second = await BeginAsync("two", first);
        var group = new TestGroup(pc1, first.Pid, second.Pid);
        await LinkAsync(Nowhere);
        await group.ReadyAsync(pc2);
        Assert.Equal(110, (await pc2.AskAsync(group.RunAll())).Failure.Errno);
        foreach (ulong key in group.Keys)
            Assert.NotNull((await pc2.AskAsync(new() { Abort = new() { Key = key } })).Failure);
        if (!claimed)
        {
            foreach (ulong key in group.Keys)
                Assert.True(await group.TakeBackAsync(key));
            await group.ThawAsync();
        }

        await LinkAsync(pc1.LinkPort);

        if (claimed)
        {
            await pc2.EventAsync(happened => happened.Began?.Process.Key == group.Keys[0]);
            await group.ForwardAsync(pc2);
        }
        else
        {
            await pc2.EventAsync(happened => happened.Ended?.Key == group.Keys[0]);
            await UntilNothingIsHeldAsync();
        }
        Assert.Equal("put", await first.TellAsync("put 5 6"));
        Assert.Equal("6", await second.TellAsync("get 5"));
    }

    /// <summary>Told to run, and its home has not been heard.</summary>
    private async Task<(Traveller, TestMove)> UnansweredAsync()
    {
        Traveller traveller = await BeginAsync("one");
        var move = new TestMove(pc1, traveller.Pid);
        await LinkAsync(Nowhere);
        await move.RestoreAsync(pc1, pc2);
        await pc1.DoAsync(new() { Deputize = new() { Key = move.Key, Epoch = 1 } });
        await pc1.DoAsync(new() { Expect = new() { Key = move.Key, Epoch = 1, Node = pc2.Name } });
        Assert.Equal(110, (await pc2.AskAsync(new() { Run = new() { Key = move.Key, Epoch = 1 } })).Failure.Errno);
        return (traveller, move);
    }

    private Task LinkAsync(uint port) => pc2.DoAsync(new() { Peer = new() { Node = pc1.Name, Address = "127.0.0.1", Port = port } });

    private async Task<Traveller> BeginAsync(string name, Traveller? sharesWith = null)
    {
        var traveller = new Traveller(Path.Combine(root, name));
        travellers.Add(traveller);
        Assert.Equal("ready", await traveller.AnswerAsync());
        if (sharesWith is null)
            return traveller;
        Assert.Equal("shared", await sharesWith.TellAsync("share"));
        string range = File.ReadLines($"/proc/{sharesWith.Pid}/maps").Single(line => line.StartsWith("200000000000-", StringComparison.Ordinal)).Split(' ')[0];
        Assert.Equal("shared", await traveller.TellAsync($"share /proc/{sharesWith.Pid}/map_files/{range}"));
        return traveller;
    }

    private static async Task AnswersAsync(Traveller traveller)
    {
        Assert.StartsWith("question", await traveller.TellAsync("question"), StringComparison.Ordinal);
        Assert.Equal(7, await traveller.EndAsync());
    }

    private async Task<HeldProcess[]> HeldAsync() => [.. (await pc2.DoAsync(new() { Status = new() })).Status.Processes];

    /// <summary>The others of a group end behind its leader, and nobody is told of what never ran.</summary>
    private async Task UntilNothingIsHeldAsync()
    {
        while ((await HeldAsync()).Length > 0)
            await Task.Delay(5, Cancelled);
    }
}
