using System.Net;
using OpenMosix.Daemon.Control;
using OpenMosix.Grpc;
using OpenMosix.Protocol.V1;

namespace OpenMosix.Daemon.Tests.Control;

/// <summary>Who may do what.</summary>
public sealed class ControlServiceTests : IAsyncLifetime
{
    private const uint Alice = 1000;
    private const uint Bob = 1001;

    private readonly TestDirectory _directory = new();
    private readonly Jobs _jobs = new();
    private TestNode _node = null!;

    private ControlService Service => _node.Service<ControlService>();

    public async ValueTask InitializeAsync() => _node = await TestNode.StartAsync(_directory, "pc1", services =>
    {
        Microsoft.Extensions.DependencyInjection.ServiceCollectionServiceExtensions.AddSingleton<IProcessDirectory>(services, _jobs);
        Microsoft.Extensions.DependencyInjection.ServiceCollectionServiceExtensions.AddSingleton<IMover>(services, _jobs);
    });

    public async ValueTask DisposeAsync()
    {
        await _node.DisposeAsync();
        _directory.Dispose();
    }

    [Theory]
    [InlineData(Alice, false, new[] { 10 })]
    [InlineData(Alice, true, new[] { 10 })]
    [InlineData(0u, false, new int[0])]
    [InlineData(0u, true, new[] { 10, 20 })]
    public async Task Processes_UsersSeeTheirOwn_RootAll(uint uid, bool all, int[] expected)
    {
        ProcessesReply reply = await Service.ProcessesAsync(new ProcessesRequest { AllUsers = all }, new Call(uid));
        Assert.Equal(expected, reply.Processes.Select(p => p.Pid));
    }

    [Theory]
    [InlineData(Alice, 10)]
    [InlineData(0u, 10)]
    [InlineData(0u, 20)]
    public async Task Migrate_OwnProcessOrRoot_IsDone(uint uid, int pid)
    {
        Assert.True((await Service.MigrateAsync(new MigrateRequest { Pid = pid, Node = "home" }, new Call(uid))).Moved);
        Assert.Equal([pid], _jobs.Moved);
    }

    [Theory]
    [InlineData(Alice, 20, StatusCode.PermissionDenied)]
    [InlineData(Alice, 30, StatusCode.NotFound)]
    [InlineData(Bob, 10, StatusCode.PermissionDenied)]
    public async Task Migrate_OthersProcessOrNone_IsRefused(uint uid, int pid, StatusCode code)
    {
        Assert.Equal(code, (await RefusedAsync(() => Service.MigrateAsync(new MigrateRequest { Pid = pid, Node = "home" }, new Call(uid)))).Code);
        Assert.Equal(code, (await RefusedAsync(() => Service.WhyAsync(new WhyRequest { Pid = pid }, new Call(uid)))).Code);
        Assert.Empty(_jobs.Moved);
    }

    [Fact]
    public async Task Migrate_NodeNobodyKnows_IsRefused()
    {
        RpcException refusal = await RefusedAsync(() => Service.MigrateAsync(new MigrateRequest { Pid = 10, Node = "pc9" }, new Call(Alice)));
        Assert.Equal((StatusCode.NotFound, "there is no node 'pc9' in the cluster"), (refusal.Code, refusal.Status.Detail));
    }

    [Fact]
    public async Task ClusterChanges_NotRoot_AreRefused()
    {
        Assert.Equal(StatusCode.PermissionDenied, (await RefusedAsync(() => Service.InitAsync(new InitClusterRequest(), new Call(Alice)))).Code);
        Assert.Equal(StatusCode.PermissionDenied, (await RefusedAsync(() => Service.MakeTokenAsync(new MakeTokenRequest(), new Call(Alice)))).Code);
        Assert.Equal(StatusCode.PermissionDenied, (await RefusedAsync(() => Service.JoinAsync(new JoinClusterRequest(), new Call(Alice)))).Code);
    }

    [Fact]
    public async Task AnyCall_NotThroughTheUnixSocket_IsRefused() =>
        Assert.Equal(StatusCode.PermissionDenied, (await RefusedAsync(() => Service.NodesAsync(new NodesRequest(), new Call(null)))).Code);

    [Fact]
    public async Task Watch_EventsOfOthers_AreNotShown_AndOfTheClusterToAll()
    {
        using var until = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        IAsyncEnumerator<WatchEvent> alice = _node.Service<IEventFeed>().FollowAsync(new Caller(1, Alice), until.Token).GetAsyncEnumerator(until.Token);
        IAsyncEnumerator<WatchEvent> root = _node.Service<IEventFeed>().FollowAsync(new Caller(1, 0), until.Token).GetAsyncEnumerator(until.Token);
        ValueTask<bool> aliceNext = alice.MoveNextAsync(), rootNext = root.MoveNextAsync(); // both watch from here on
        var feed = _node.Service<IEventFeed>();
        feed.Publish(new WatchEvent { Kind = "moved", Pid = 20 }, Bob);
        feed.Publish(new WatchEvent { Kind = "node-up" });
        Assert.True(await aliceNext);
        Assert.Equal("node-up", alice.Current.Kind);
        Assert.NotEqual(0, alice.Current.TimeNs);
        Assert.True(await rootNext);
        Assert.Equal("moved", root.Current.Kind);
        await until.CancelAsync();
    }

    [Fact]
    public async Task Watch_SlowReader_IsToldWhatItLost()
    {
        IEventFeed feed = _node.Service<IEventFeed>();
        await using IAsyncEnumerator<WatchEvent> slow = feed.FollowAsync(new Caller(1, 0), TestContext.Current.CancellationToken)
            .GetAsyncEnumerator(TestContext.Current.CancellationToken);
        ValueTask<bool> first = slow.MoveNextAsync();
        feed.Publish(new WatchEvent { Kind = "first" });
        Assert.True(await first);
        for (int i = 0; i < 2000; i++)
            feed.Publish(new WatchEvent { Kind = "flood", Pid = i });
        Assert.True(await slow.MoveNextAsync());
        Assert.Equal(("lost", "976 events were lost: read too slowly"), (slow.Current.Kind, slow.Current.Text));
        Assert.True(await slow.MoveNextAsync());
        Assert.Equal(976, slow.Current.Pid);
    }

    private static Task<RpcException> RefusedAsync(Func<Task> action) => Assert.ThrowsAsync<RpcException>(action);

    private sealed class Jobs : IProcessDirectory, IMover
    {
        public List<int> Moved { get; } = [];

        private static readonly ProcessStatus[] s_processes = [new() { Pid = 10, Uid = Alice, Command = "a" }, new() { Pid = 20, Uid = Bob, Command = "b" }];

        public Task<IReadOnlyList<ProcessStatus>> ListAsync(CancellationToken cancellationToken) => Task.FromResult<IReadOnlyList<ProcessStatus>>(s_processes);

        public ProcessStatus? Find(int homePid) => s_processes.FirstOrDefault(p => p.Pid == homePid);

        public Task<MigrateReply> MigrateAsync(int homePid, string node, CancellationToken cancellationToken)
        {
            Moved.Add(homePid);
            return Task.FromResult(new MigrateReply { Moved = true });
        }

        public Task<WhyReply> WhyAsync(int homePid, CancellationToken cancellationToken) => Task.FromResult(new WhyReply { CanMove = true });
    }

    private sealed class Call(uint? uid) : ServerCall
    {
        public override string Method => "";
        public override string? PeerNode => null;
        public override UnixPeer? UnixPeer { get; } = uid is { } known ? new UnixPeer(1, known, known) : null;
        public override EndPoint? RemoteEndPoint => null;
        public override Metadata RequestHeaders { get; } = [];
        public override Metadata ResponseHeaders { get; } = [];
        public override Metadata ResponseTrailers { get; } = [];
        public override DateTimeOffset? Deadline => null;
        public override CancellationToken CancellationToken => TestContext.Current.CancellationToken;
    }
}
