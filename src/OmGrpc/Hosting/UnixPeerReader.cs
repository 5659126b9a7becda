using System.Net.Sockets;
using System.Runtime.InteropServices;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Connections.Features;

namespace OpenMosix.Grpc.Server;

internal static class UnixPeerReader
{
    private const int SOL_SOCKET = 1;
    private const int SO_PEERCRED = 17;

    /// <summary>Read once, when the connection is accepted; the kernel keeps what was true at connect().</summary>
    public static UnixPeer Read(ConnectionContext connection)
    {
        var socket = connection.Features.Get<IConnectionSocketFeature>()?.Socket
            ?? throw new InvalidOperationException("A connection of the Unix socket has no socket.");
        return Read(socket);
    }

    public static UnixPeer Read(Socket socket)
    {
        Span<byte> ucred = stackalloc byte[12];
        socket.GetRawSocketOption(SOL_SOCKET, SO_PEERCRED, ucred);
        var words = MemoryMarshal.Cast<byte, int>(ucred);
        return new UnixPeer(words[0], (uint)words[1], (uint)words[2]);
    }
}
