// gRPC service Control, for tools of this machine. Who may do what is decided here and nowhere else: users see and move their own
// processes, root all; only root changes the cluster.
using OpenMosix.Daemon.Cluster;
using OpenMosix.Grpc;
using OpenMosix.Protocol.V1;

namespace OpenMosix.Daemon.Control;

internal sealed class ControlService(
    IClusterView view, Admission admission, Joining joining, IProcessDirectory processes, IMover mover, IEventFeed feed, TimeProvider time)
{
    public void Bind(IServiceBinder service) => service
        .AllowAnonymous() // no certificates on a Unix socket: Caller.Of asks for SO_PEERCRED instead
        .Unary<NodesRequest, NodesReply>("Nodes", NodesAsync)
        .Unary<ProcessesRequest, ProcessesReply>("Processes", ProcessesAsync)
        .Unary<MigrateRequest, MigrateReply>("Migrate", MigrateAsync)
        .Unary<WhyRequest, WhyReply>("Why", WhyAsync)
        .ServerStreaming<WatchRequest, WatchEvent>("Watch", WatchAsync)
        .Unary<InitClusterRequest, InitClusterReply>("InitCluster", InitAsync)
        .Unary<MakeTokenRequest, MakeTokenReply>("MakeToken", MakeTokenAsync)
        .Unary<JoinClusterRequest, JoinClusterReply>("JoinCluster", JoinAsync);

    internal async Task<NodesReply> NodesAsync(NodesRequest request, ServerCall call)
    {
        Caller.Of(call);
        await view.RefreshAsync(call.CancellationToken).ConfigureAwait(false);
        var reply = new NodesReply { Self = view.Self.Node };
        reply.Nodes.Add(view.Nodes);
        return reply;
    }

    internal async Task<ProcessesReply> ProcessesAsync(ProcessesRequest request, ServerCall call)
    {
        Caller caller = Caller.Of(call);
        var reply = new ProcessesReply();
        IReadOnlyList<ProcessStatus> all = await processes.ListAsync(call.CancellationToken).ConfigureAwait(false);
        reply.Processes.Add(all.Where(p => request.AllUsers ? caller.MaySee(p.Uid) : p.Uid == caller.Uid));
        return reply;
    }

    internal Task<MigrateReply> MigrateAsync(MigrateRequest request, ServerCall call)
    {
        MayTouch(request.Pid, Caller.Of(call));
        if (request.Node != "home" && view.Find(request.Node) is not { } node)
            throw new RpcException(StatusCode.NotFound, $"there is no node '{request.Node}' in the cluster");
        return mover.MigrateAsync(request.Pid, request.Node, call.CancellationToken);
    }

    internal Task<WhyReply> WhyAsync(WhyRequest request, ServerCall call)
    {
        MayTouch(request.Pid, Caller.Of(call));
        return mover.WhyAsync(request.Pid, call.CancellationToken);
    }

    internal async Task WatchAsync(WatchRequest request, IStreamWriter<WatchEvent> events, ServerCall call)
    {
        IAsyncEnumerator<WatchEvent> follower = feed.FollowAsync(Caller.Of(call), call.CancellationToken).GetAsyncEnumerator(call.CancellationToken);
        await using (follower.ConfigureAwait(false))
        {
            ValueTask<bool> next = follower.MoveNextAsync(); // watches from here on, and the watcher is told so: what it does next is not missed
            var begin = new WatchEvent { TimeNs = (time.GetUtcNow() - DateTimeOffset.UnixEpoch).Ticks * 100, Kind = "watching", Text = "what happens from now on" };
            await events.WriteAsync(begin, call.CancellationToken).ConfigureAwait(false);
            for (; await next.ConfigureAwait(false); next = follower.MoveNextAsync())
                await events.WriteAsync(follower.Current, call.CancellationToken).ConfigureAwait(false);
        }
    }

    internal async Task<InitClusterReply> InitAsync(InitClusterRequest request, ServerCall call)
    {
        MustBeRoot(call, "make a cluster");
        return (await admission.InitAsync(request.Name, call.CancellationToken).ConfigureAwait(false)).OrStatus();
    }

    internal async Task<MakeTokenReply> MakeTokenAsync(MakeTokenRequest request, ServerCall call)
    {
        MustBeRoot(call, "make a token");
        return (await admission.MakeTokenAsync(TimeSpan.FromSeconds(request.ValidSeconds), call.CancellationToken).ConfigureAwait(false)).OrStatus();
    }

    internal async Task<JoinClusterReply> JoinAsync(JoinClusterRequest request, ServerCall call)
    {
        MustBeRoot(call, "join a cluster");
        return (await joining.JoinAsync(request.Token, request.Address, call.CancellationToken).ConfigureAwait(false)).OrStatus();
    }

    private static void MustBeRoot(ServerCall call, string what)
    {
        if (!Caller.Of(call).IsRoot)
            throw new RpcException(StatusCode.PermissionDenied, $"only root may {what}");
    }

    private void MayTouch(int pid, Caller caller)
    {
        // A process of somebody else and a process that is no job's: told apart only for those who may see both.
        ProcessStatus process = processes.Find(pid)
            ?? throw new RpcException(StatusCode.NotFound, $"process {pid} is not of a job of this node; start it with omrun");
        if (!caller.MaySee(process.Uid))
            throw new RpcException(StatusCode.PermissionDenied, $"process {pid} is of user {process.Uid}, not yours");
    }
}
