// The local daemon over its Unix socket, and what each way of failing means to a script.
using OpenMosix.Grpc;
using OpenMosix.Protocol.V1;
using OpenMosix.Tools.Ctl.Output;
using ServiceDescriptor = Google.Protobuf.Reflection.ServiceDescriptor;

namespace OpenMosix.Tools.Ctl;

internal sealed class DaemonCalls(IGrpcChannel channel)
{
    private static readonly ServiceDescriptor s_control = ControlReflection.Descriptor.FindTypeByName<ServiceDescriptor>("Control");

    // A daemon that accepts and says nothing is as good as none. A move takes as long as it takes.
    private static readonly CallOptions s_short = new(TimeSpan.FromSeconds(30));

    public Task<NodesReply> NodesAsync(CancellationToken cancellation) => AskAsync<NodesRequest, NodesReply>("Nodes", new(), s_short, cancellation);

    public Task<ProcessesReply> ProcessesAsync(ProcessesRequest request, CancellationToken cancellation) =>
        AskAsync<ProcessesRequest, ProcessesReply>("Processes", request, s_short, cancellation);

    public Task<MigrateReply> MigrateAsync(MigrateRequest request, CancellationToken cancellation) =>
        AskAsync<MigrateRequest, MigrateReply>("Migrate", request, CallOptions.Default, cancellation);

    public Task<WhyReply> WhyAsync(WhyRequest request, CancellationToken cancellation) => AskAsync<WhyRequest, WhyReply>("Why", request, s_short, cancellation);

    public IAsyncEnumerable<WatchEvent> WatchAsync(CancellationToken cancellation) =>
        channel.StreamAsync(new GrpcMethod<WatchRequest, WatchEvent>(s_control, "Watch"), new WatchRequest(), CallOptions.Default, cancellation);

    public Task<InitClusterReply> InitAsync(InitClusterRequest request, CancellationToken cancellation) =>
        AskAsync<InitClusterRequest, InitClusterReply>("InitCluster", request, s_short, cancellation);

    public Task<MakeTokenReply> TokenAsync(MakeTokenRequest request, CancellationToken cancellation) =>
        AskAsync<MakeTokenRequest, MakeTokenReply>("MakeToken", request, s_short, cancellation);

    public Task<JoinClusterReply> JoinAsync(JoinClusterRequest request, CancellationToken cancellation) =>
        AskAsync<JoinClusterRequest, JoinClusterReply>("JoinCluster", request, s_short, cancellation);

    /// <summary>Runs what a command does with the daemon; turns its failures into a sentence on stderr (an object under --json) and an exit status.</summary>
    public static async Task<int> RunAsync(string runDirectory, bool json, Func<DaemonCalls, Task<int>> action, CancellationToken cancellation)
    {
        string socket = Path.Combine(runDirectory, "openmosixd.sock");
        if (DaemonSocket.Fault(socket) is { } fault)
            return Problem.Report(json, ExitStatus.NoDaemon, fault);
        using GrpcChannel channel = GrpcChannel.ForUnixSocket(socket);
        try
        {
            return await action(new DaemonCalls(channel)).ConfigureAwait(false);
        }
        catch (RpcException e)
        {
            return e.Code switch
            {
                StatusCode.NotFound => Problem.Report(json, ExitStatus.NotFound, e.Status.Detail),
                StatusCode.PermissionDenied => Problem.Report(json, ExitStatus.NotPermitted, e.Status.Detail),
                StatusCode.Unavailable when DaemonSocket.Fault(socket) is { } gone => Problem.Report(json, ExitStatus.NoDaemon, gone),
                _ => Problem.Report(json, ExitStatus.Refused, e.Status.Detail.Length > 0 ? e.Status.Detail : e.Code.ToString()),
            };
        }
        catch (OperationCanceledException) when (cancellation.IsCancellationRequested)
        {
            return ExitStatus.Interrupted;
        }
    }

    private Task<TReply> AskAsync<TRequest, TReply>(string method, TRequest request, CallOptions options, CancellationToken cancellation)
        where TRequest : class, Google.Protobuf.IMessage<TRequest>, new()
        where TReply : class, Google.Protobuf.IMessage<TReply>, new() =>
        channel.CallAsync(new GrpcMethod<TRequest, TReply>(s_control, method), request, options, cancellation);
}
