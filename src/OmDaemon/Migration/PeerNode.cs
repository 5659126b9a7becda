// Another node as one end of a move, over gRPC. A call ends when its node is declared dead: its deadline may be minutes away. A status that says "I will not" is a refusal; everything else leaves it open whether it was done.
using OpenMosix.Daemon.Cluster;
using OpenMosix.Grpc;
using OpenMosix.Protocol.Errors;
using OpenMosix.Protocol.V1;

namespace OpenMosix.Daemon.Migration;

internal sealed class PeerNode(string node, IPeerChannels channels, IClusterView cluster) : IMoveNode
{
    private const int ESRCH = 3;

    public string Node => node;

    public Task<Step<FreezeReply>> FreezeAsync(FreezeRequest request, int pid, CancellationToken cancellationToken) =>
        CallAsync(MigrationCalls.Freeze, request, MoveDeadlines.Freeze + MoveDeadlines.Short, Stage.Freeze, reply => reply.Failure, cancellationToken);

    public Task<Step<SnapshotReply>> SnapshotAsync(SnapshotRequest request, int pid, CancellationToken cancellationToken) =>
        CallAsync(MigrationCalls.Snapshot, request, MoveDeadlines.Freeze + MoveDeadlines.Short, Stage.Snapshot, reply => reply.Failure, cancellationToken);

    public Task<Step<MoveReply>> ThawAsync(KeyRequest request, CancellationToken cancellationToken) =>
        CallAsync(MigrationCalls.Thaw, request, MoveDeadlines.Freeze + MoveDeadlines.Short, Stage.Freeze, reply => reply.Failure, cancellationToken);

    public Task<Step<RestoreReply>> RestoreAsync(RestoreRequest request, CancellationToken cancellationToken) =>
        CallAsync(MigrationCalls.Restore, request, MoveDeadlines.Restore(request.Image), Stage.Restore, reply => reply.Failure, cancellationToken);

    public Task<Step<MoveReply>> RunAsync(RunRequest request, CancellationToken cancellationToken) =>
        CallAsync(MigrationCalls.Run, request, MoveDeadlines.Run, Stage.Commit, reply => reply.Failure, cancellationToken);

    public Task<Step<MoveReply>> AbortAsync(KeyRequest request, CancellationToken cancellationToken) =>
        CallAsync(MigrationCalls.Abort, request, MoveDeadlines.Short, Stage.Restore, reply => reply.Failure, cancellationToken);

    public Task<Step<MoveReply>> DiscardAsync(KeyRequest request, CancellationToken cancellationToken) =>
        CallAsync(MigrationCalls.Discard, request, MoveDeadlines.Short, Stage.Forward, reply => reply.Failure, cancellationToken);

    private async Task<Step<TResponse>> CallAsync<TRequest, TResponse>(
        GrpcMethod<TRequest, TResponse> method, TRequest request, TimeSpan deadline, string stage, Func<TResponse, Failure?> failure, CancellationToken cancellationToken)
        where TRequest : class, Google.Protobuf.IMessage<TRequest>, new()
        where TResponse : class, Google.Protobuf.IMessage<TResponse>, new()
    {
        if (cluster.Find(node) is not { Alive: true } || channels.For(node) is not { } channel)
            return Step<TResponse>.NotSent(Failures.Broken(stage, $"node {node} cannot be reached"));
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        void OnNode(NodeStatus status)
        {
            if (status.Alive || status.Info.Node != node)
                return;
            try
            {
                ended.Cancel();
            }
            catch (ObjectDisposedException)
            {
                // The event was on its way while we unsubscribed.
            }
        }
        cluster.NodeChanged += OnNode;
        try
        {
            TResponse response = await channel.CallAsync(method, request, new CallOptions(deadline), ended.Token).ConfigureAwait(false);
            return failure(response) is { } failed ? Step<TResponse>.Refused(failed) : response;
        }
        catch (RpcException said)
        {
            Failure failed = Failures.Broken(stage, $"node {node}: {said.Status}", said.Code == StatusCode.NotFound ? ESRCH : 0);
            return said.Code is StatusCode.NotFound or StatusCode.PermissionDenied or StatusCode.FailedPrecondition or StatusCode.InvalidArgument
                or StatusCode.Unimplemented or StatusCode.Unauthenticated
                ? Step<TResponse>.Refused(failed)
                : Step<TResponse>.Unknown(failed);
        }
        catch (OperationCanceledException)
        {
            return Step<TResponse>.Unknown(Failures.Broken(stage, cancellationToken.IsCancellationRequested ? $"given up while node {node} was at it" : $"node {node} is down"));
        }
        finally
        {
            cluster.NodeChanged -= OnNode;
        }
    }
}
