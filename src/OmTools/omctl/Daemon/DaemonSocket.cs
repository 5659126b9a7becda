using System.Net.Sockets;

namespace OpenMosix.Tools.Ctl;

internal static class DaemonSocket
{
    /// <summary>Why nobody can be reached at the socket, in a sentence; null if somebody listens.</summary>
    public static string? Fault(string path)
    {
        try
        {
            using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            socket.Connect(new UnixDomainSocketEndPoint(path));
            return null;
        }
        catch (SocketException e)
        {
            return e.SocketErrorCode switch
            {
                SocketError.AddressNotAvailable => $"openmosixd does not run on this node ({path} is not there); start it with: systemctl start openmosixd",
                SocketError.ConnectionRefused => $"openmosixd does not run on this node (nobody listens at {path}); start it with: systemctl start openmosixd",
                _ => $"{path}: {e.Message}",
            };
        }
        catch (ArgumentException)
        {
            return $"{path}: too long for the name of a socket";
        }
    }
}
