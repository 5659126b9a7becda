using System.Net.Sockets;
using System.Text;
using OpenMosix.Lab.Interop;

namespace OpenMosix.Lab.Nodes;

/// <summary>
/// The socket of a node's init, or of the switch (control.c). Who listens there is the node's pid 1: a held <see cref="PidFd"/> taken before
/// an answer came is that process for certain.
/// </summary>
internal sealed class ControlSocket : IDisposable
{
    private const int LargestAnswer = 4096;
    private readonly Socket _socket;
    private readonly string _name;

    private ControlSocket(Socket socket, string name)
    {
        _socket = socket;
        _name = name;
        var credentials = new byte[12]; // struct ucred: pid, uid, gid
        socket.GetRawSocketOption(LibC.SolSocket, LibC.SoPeerCred, credentials);
        Pid = BitConverter.ToInt32(credentials);
        Process = LibC.OpenPidFd(Pid, 0);
        Ask("ping");
    }

    /// <summary>As the host sees it.</summary>
    internal int Pid { get; }

    internal PidFd Process { get; }

    /// <returns>null: it does not run.</returns>
    internal static ControlSocket? Find(State.LabPaths paths, string node)
    {
        // seqpacket
        var socket = new Socket(AddressFamily.Unix, SocketType.Seqpacket, ProtocolType.Unspecified);
        try
        {
            socket.Connect(new UnixDomainSocketEndPoint(paths.Control(node)));
            return new ControlSocket(socket, node);
        }
        catch (SocketException)
        {
            socket.Dispose();
            return null;
        }
    }

    internal static ControlSocket Open(State.LabPaths paths, string node) =>
        Find(paths, node) ?? throw new LabException($"{node} does not run: omlab start {node}");

    /// <summary>One request, one answer; waits as long as what is asked for takes.</summary>
    /// <returns>The lines after `ok`.</returns>
    internal string[] Ask(string request)
    {
        _socket.Send(Encoding.UTF8.GetBytes(request));
        var bytes = new byte[LargestAnswer];
        var length = _socket.Receive(bytes);
        var lines = Encoding.UTF8.GetString(bytes, 0, length).Split('\n');
        return lines[0] switch
        {
            "ok" => lines[1..],
            "" => throw new LabException($"{_name} was killed meanwhile"),
            var error => throw new LabException($"{_name}: {(error.StartsWith("error ", StringComparison.Ordinal) ? error[6..] : error)}"),
        };
    }

    public void Dispose()
    {
        Process?.Dispose();
        _socket.Dispose();
    }
}
