using OpenMosix.Grpc;
using OpenMosix.Protocol.V1;
using ServiceDescriptor = Google.Protobuf.Reflection.ServiceDescriptor;

namespace OpenMosix.Compat.Moving;

/// <summary>The control service of a node's daemon, asked from outside of the node: a thousand moves need no thousand omctl.</summary>
internal sealed class HomeDaemon(int initPid) : IDisposable
{
    private static readonly ServiceDescriptor Control = ControlReflection.Descriptor.FindTypeByName<ServiceDescriptor>("Control");
    private static readonly CallOptions Short = new(TimeSpan.FromSeconds(30));

    private readonly GrpcChannel _channel = GrpcChannel.ForUnixSocket($"/proc/{initPid}/root/run/openmosix/openmosixd.sock");

    internal async Task<IReadOnlyList<ProcessStatus>> ProcessesAsync(CancellationToken cancellation) =>
        (await _channel.CallAsync(
            new GrpcMethod<ProcessesRequest, ProcessesReply>(Control, "Processes"), new ProcessesRequest { AllUsers = true }, Short, cancellation)).Processes;

    /// <exception cref="RpcException">NotFound: the process has ended.</exception>
    internal Task<MigrateReply> MigrateAsync(int pid, string node, CancellationToken cancellation) =>
        _channel.CallAsync(
            new GrpcMethod<MigrateRequest, MigrateReply>(Control, "Migrate"), new MigrateRequest { Pid = pid, Node = node }, CallOptions.Default, cancellation);

    public void Dispose() => _channel.Dispose();
}
