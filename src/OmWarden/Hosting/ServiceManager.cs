// sd_notify(3): what systemd is told, and the descriptors it keeps for the next warden (FDSTORE). Without NOTIFY_SOCKET every call
// does nothing. Any thread.
using System.Net.Sockets;
using System.Text;
using OpenMosix.Warden.Interop;

namespace OpenMosix.Warden.Hosting;

internal sealed class ServiceManager : IDisposable
{
    private readonly Socket? socket;
    private readonly Lock gate = new();

    internal ServiceManager(string? notifySocket)
    {
        if (string.IsNullOrEmpty(notifySocket))
            return;
        // '@' stands for the abstract namespace's leading zero byte.
        string path = notifySocket[0] == '@' ? '\0' + notifySocket[1..] : notifySocket;
        socket = new(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified);
        socket.Connect(new UnixDomainSocketEndPoint(path));
    }

    internal bool IsThere => socket is not null;

    internal void Ready(string status) => Send($"READY=1\nSTATUS={status}");
    internal void Status(string status) => Send($"STATUS={status}");
    internal void Stopping() => Send("STOPPING=1");
    internal void Watchdog() => Send("WATCHDOG=1");

    /// <summary>Keeps a duplicate of fd under this name until it is removed or its other side goes. Names: at most 255 characters, no ':'.</summary>
    internal void Store(string name, System.Runtime.InteropServices.SafeHandle fd)
    {
        bool held = false;
        try
        {
            fd.DangerousAddRef(ref held);
            // FDPOLL=0: systemd drops a stored descriptor when it polls as hung up, which a pidfd or memfd may look like.
            Send($"FDSTORE=1\nFDNAME={name}\nFDPOLL=0", (int)fd.DangerousGetHandle());
        }
        finally
        {
            if (held)
                fd.DangerousRelease();
        }
    }

    internal void Remove(string name) => Send($"FDSTOREREMOVE=1\nFDNAME={name}");

    public void Dispose() => socket?.Dispose();

    private void Send(string text, params ReadOnlySpan<int> descriptors)
    {
        if (socket is null)
            return;
        lock (gate)
            _ = Sockets.Send(socket.SafeHandle, Encoding.UTF8.GetBytes(text), descriptors);
    }
}
