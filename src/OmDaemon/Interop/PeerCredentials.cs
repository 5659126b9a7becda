using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace OpenMosix.Daemon.Interop;

/// <summary>struct ucred of who connected (unix(7), SO_PEERCRED). Pid 0: from a pid namespace that we cannot see into.</summary>
internal readonly record struct PeerCredentials(int Pid, uint Uid, uint Gid)
{
    private const int SOL_SOCKET = 1;
    private const int SO_PEERCRED = 17;

    public static PeerCredentials Of(Socket socket)
    {
        Span<byte> ucred = stackalloc byte[12];
        socket.GetRawSocketOption(SOL_SOCKET, SO_PEERCRED, ucred);
        Span<uint> words = MemoryMarshal.Cast<byte, uint>(ucred);
        return new PeerCredentials((int)words[0], words[1], words[2]);
    }
}
