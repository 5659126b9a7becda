// Who is at the other end of the control socket, by SO_PEERCRED: what the kernel noted when the tool connected. Cannot be forged.
using System.Buffers.Binary;
using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Connections.Features;

namespace OpenMosix.Daemon.Control;

public sealed record Caller(int Pid, uint Uid, uint Gid)
{
    private const int SOL_SOCKET = 1;
    private const int SO_PEERCRED = 17;

    public bool IsRoot => Uid == 0;

    public bool MaySee(uint ownerUid) => IsRoot || Uid == ownerUid;

    /// <summary>Connection middleware of the Unix socket: the caller becomes a feature of every request on it.</summary>
    internal static ConnectionDelegate Attach(ConnectionDelegate next) => connection =>
    {
        Socket socket = connection.Features.Get<IConnectionSocketFeature>()!.Socket;
        connection.Features.Set(Of(socket));
        return next(connection);
    };

    internal static Caller Of(Socket socket)
    {
        Span<byte> credentials = stackalloc byte[12]; // struct ucred { pid_t pid; uid_t uid; gid_t gid; }
        socket.GetRawSocketOption(SOL_SOCKET, SO_PEERCRED, credentials);
        return new Caller(
            BinaryPrimitives.ReadInt32LittleEndian(credentials),
            BinaryPrimitives.ReadUInt32LittleEndian(credentials[4..]),
            BinaryPrimitives.ReadUInt32LittleEndian(credentials[8..]));
    }
}
