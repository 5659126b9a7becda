using OpenMosix.Grpc;

namespace OpenMosix.Daemon.Control;

/// <summary>Who is at the other end of the control socket: what the kernel noted when the tool connected (SO_PEERCRED). Cannot be forged.</summary>
public sealed record Caller(int Pid, uint Uid)
{
    public bool IsRoot => Uid == 0;

    public bool MaySee(uint ownerUid) => IsRoot || Uid == ownerUid;

    internal static Caller Of(ServerCall call) =>
        call.UnixPeer is { } peer
            ? new Caller(peer.Pid, peer.Uid)
            : throw new RpcException(StatusCode.PermissionDenied, "tools are served on the Unix socket only");
}
