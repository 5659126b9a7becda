// gRPC service Migration: what other nodes' daemons may order here. The certificate says who asks. Only the home of a key may touch its body
// here, and only the node where a body is may speak for it; the rest is refused and logged.
using Microsoft.Extensions.Logging;
using OpenMosix.Checkpoint;
using OpenMosix.Daemon.Jobs;
using OpenMosix.Daemon.Warden;
using OpenMosix.Grpc;
using OpenMosix.Protocol.V1;

namespace OpenMosix.Daemon.Migration;

internal sealed partial class MigrationService(
    LocalNode node, Guests guests, IWarden warden, JobRegistry jobs, Mover mover, HomeComing homeComing, HomeClocks clocks, TimeProvider time,
    ILogger<MigrationService> log)
{
    public void Bind(IServiceBinder service) => service
        .Unary<FreezeRequest, FreezeReply>("Freeze", FreezeAsync)
        .Unary<SnapshotRequest, SnapshotReply>("Snapshot", SnapshotAsync)
        .Unary<KeyRequest, MoveReply>("Thaw", (request, call) => OrderAsync(request.Key, call, () => node.ThawAsync(request, call.CancellationToken)))
        .Unary<RestoreRequest, RestoreReply>("Restore", RestoreAsync)
        .Unary<RunRequest, MoveReply>("Run", RunAsync)
        .Unary<KeyRequest, MoveReply>("Abort", (request, call) => OrderAsync(request.Key, call, () => node.AbortAsync(request, call.CancellationToken)))
        .Unary<KeyRequest, MoveReply>("Discard", (request, call) => OrderAsync(request.Key, call, () => node.DiscardAsync(request, call.CancellationToken)))
        .Unary<ReturnRequest, Empty>("RequestReturn", RequestReturnAsync)
        .Unary<EndedRequest, Empty>("Ended", EndedAsync)
        .Unary<HeldRequest, HeldReply>("Held", HeldAsync)
        .Unary<ClockRequest, ClockOffsets>("Clock", (_, _) => Task.FromResult(ClockReader.Read()));

    private async Task<FreezeReply> FreezeAsync(FreezeRequest request, ServerCall call)
    {
        // Forked here a moment ago: its home may have heard of it before we have.
        if (guests.Known && guests.Find(request.Key) is null)
            guests.Take(request.Key, await StatusAsync(call).ConfigureAwait(false));
        MustBeHome(request.Key, call);
        Step<FreezeReply> step = await node.FreezeAsync(request, 0, call.CancellationToken).ConfigureAwait(false);
        return Answer(step, failure => new FreezeReply { Failure = failure });
    }

    private async Task<SnapshotReply> SnapshotAsync(SnapshotRequest request, ServerCall call)
    {
        MustBeHome(request.Key, call);
        Step<SnapshotReply> step = await node.SnapshotAsync(request, 0, call.CancellationToken).ConfigureAwait(false);
        return Answer(step, failure => new SnapshotReply { Failure = failure });
    }

    private async Task<RestoreReply> RestoreAsync(RestoreRequest request, ServerCall call)
    {
        string home = PeerOf(call);
        if (guests.Find(request.Key) is not null)
            MustBeHome(request.Key, call);
        if (request.Beside != 0)
            MustBeHome(request.Beside, call);
        if (jobs.FindByKey(request.Key) is not null)
            throw Denied(call, request.Key, "the key is of a process whose home is this node");
        ClockOffsets? ahead = await clocks.AheadAsync(home, call.CancellationToken).ConfigureAwait(false);
        Step<RestoreReply> step = await node.RestoreAsync(request, home, ahead, call.CancellationToken).ConfigureAwait(false);
        return Answer(step, failure => new RestoreReply { Failure = failure });
    }

    private Task<MoveReply> RunAsync(RunRequest request, ServerCall call)
    {
        foreach (RunRequest other in request.Others)
            MustBeHome(other.Key, call);
        return OrderAsync(request.Key, call, () => node.RunAsync(request, call.CancellationToken));
    }

    private async Task<MoveReply> OrderAsync(ulong key, ServerCall call, Func<Task<Step<MoveReply>>> order)
    {
        MustBeHome(key, call);
        return Answer(await order().ConfigureAwait(false), failure => new MoveReply { Failure = failure });
    }

    private async Task<Empty> RequestReturnAsync(ReturnRequest request, ServerCall call)
    {
        JobProcess process = await MustHaveBodyAsync(request.Key, call).ConfigureAwait(false);
        if (await homeComing.BringAsync(process, request.Reason, call.CancellationToken).ConfigureAwait(false) is { } failure)
            throw new RpcException(StatusCode.Aborted, $"{failure.Stage}: {failure.Message}");
        return new Empty();
    }

    private Task<Empty> EndedAsync(EndedRequest request, ServerCall call)
    {
        // What is left where a body came from ends, too: that is nothing to tell.
        if (jobs.FindByKey(request.Key) is { } process && process.Residence.Node == PeerOf(call))
            LogBodyEnded(request.Key.ToString("x16"), process.Pid, PeerOf(call), request.WaitStatus, request.Why);
        return Task.FromResult(new Empty());
    }

    private async Task<HeldReply> HeldAsync(HeldRequest request, ServerCall call)
    {
        string home = PeerOf(call);
        WardenStatusReply status = await StatusAsync(call).ConfigureAwait(false);
        var reply = new HeldReply();
        reply.Processes.Add(status.Processes.Where(held => held.Role != HeldProcess.Types.Role.Deputy && held.Peer == home));
        return reply;
    }

    private async Task<WardenStatusReply> StatusAsync(ServerCall call)
    {
        WardenAnswer answer = await warden.AskAsync(new ToWarden { Status = new WardenStatus() }, MoveDeadlines.Short, time, call.CancellationToken).ConfigureAwait(false);
        return answer is WardenAnswer.Replied { Reply.Status: { } status } && guests.Known
            ? status
            : throw new RpcException(StatusCode.Unavailable, "the warden of this node does not answer");
    }

    private void MustBeHome(ulong key, ServerCall call)
    {
        if (!guests.Known)
            throw new RpcException(StatusCode.Unavailable, "the warden of this node does not answer");
        if (guests.Find(key) is not { } guest)
            throw new RpcException(StatusCode.NotFound, $"no process with key {key:x16} is here");
        if (guest.Home != PeerOf(call))
            throw Denied(call, key, $"its home is {guest.Home}");
    }

    // A body runs, and has something to say, before the move that brought it there is over here: where it is is known then.
    private async Task<JobProcess> MustHaveBodyAsync(ulong key, ServerCall call)
    {
        if (jobs.FindByKey(key) is not { } process)
            throw new RpcException(StatusCode.NotFound, $"no process with key {key:x16} has its home here");
        using IDisposable settled = await mover.HoldAsync(process, call.CancellationToken).ConfigureAwait(false);
        if (process.Residence.Node != PeerOf(call))
            throw Denied(call, key, $"its body is on {process.Residence.Node}");
        return process;
    }

    private static string PeerOf(ServerCall call) =>
        call.PeerNode ?? throw new RpcException(StatusCode.Unauthenticated, "a certificate of the cluster is needed");

    private RpcException Denied(ServerCall call, ulong key, string why)
    {
        LogDenied(call.PeerNode, call.Method, key.ToString("x16"), why);
        return new RpcException(StatusCode.PermissionDenied, why);
    }

    private static T Answer<T>(Step<T> step, Func<Failure, T> failed)
        where T : class => step switch
        {
            { Ok: true } => step.Value!,
            { Sureness: Sureness.Unknown } => throw new RpcException(StatusCode.Internal, step.Failure!.Message),
            _ => failed(step.Failure!),
        };

    [LoggerMessage(550, LogLevel.Warning, "node {Peer} may not {Method} key {Key}: {Why}")]
    private partial void LogDenied(string? peer, string method, string key, string why);

    [LoggerMessage(551, LogLevel.Information, "key {Key}: the body of pid {Pid} ended on {Peer}, wait status {Status}: {Why}")]
    private partial void LogBodyEnded(string key, int pid, string peer, int status, string why);
}
