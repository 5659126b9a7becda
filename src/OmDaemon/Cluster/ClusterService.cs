// gRPC service Cluster, for nodes. Join is the one method that answers to a caller without a certificate.
using System.Net;
using Microsoft.Extensions.Logging;
using OpenMosix.Grpc;
using OpenMosix.Protocol.V1;

namespace OpenMosix.Daemon.Cluster;

internal sealed partial class ClusterService(Admission admission, ClusterView view, ILogger<ClusterService> log)
{
    public void Bind(IServiceBinder service) => service
        .Unary<GossipMessage, GossipMessage>("Gossip", Gossip)
        .AllowAnonymous()
        .Unary<JoinRequest, JoinReply>("Join", JoinAsync);

    private async Task<JoinReply> JoinAsync(JoinRequest request, ServerCall call) =>
        (await admission.AdmitAsync(request, Address(call), call.CancellationToken).ConfigureAwait(false)).OrStatus();

    private Task<GossipMessage> Gossip(GossipMessage message, ServerCall call)
    {
        if (call.PeerNode is null || message.From != call.PeerNode)
        {
            LogClaims(call.PeerNode, call.RemoteEndPoint, message.From);
            throw new RpcException(StatusCode.PermissionDenied, $"the certificate is of node '{call.PeerNode}', the message claims to be from '{message.From}'");
        }
        view.Merge(message.Nodes);
        view.MeasureSelfIfOld();
        return Task.FromResult(view.Membership.Message());
    }

    private static IPAddress? Address(ServerCall call) => call.RemoteEndPoint is IPEndPoint end ? LocalAddress.Plain(end.Address) : null;

    [LoggerMessage(250, LogLevel.Warning, "node {Peer} at {From} claims to be '{Claimed}'; not heard")]
    private partial void LogClaims(string? peer, EndPoint? from, string claimed);
}
