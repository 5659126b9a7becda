// sd_notify(3): datagrams to $NOTIFY_SOCKET. Does nothing without one. systemd 252 knows Type=notify; RELOADING needs MONOTONIC_USEC only
// for Type=notify-reload, and is harmless before.
using System.Globalization;
using System.Net.Sockets;
using System.Text;

namespace OpenMosix.Daemon.Hosting;

public sealed class SystemdNotifier(Func<string, string?> environment)
{
    private readonly UnixDomainSocketEndPoint? _target = Target(environment("NOTIFY_SOCKET"));

    /// <summary>How often systemd wants to hear from us, or null.</summary>
    public TimeSpan? Watchdog { get; } =
        long.TryParse(environment("WATCHDOG_USEC"), NumberStyles.None, CultureInfo.InvariantCulture, out long microseconds) && microseconds > 0
        && (environment("WATCHDOG_PID") is not { } pid || pid == Environment.ProcessId.ToString(CultureInfo.InvariantCulture))
            ? TimeSpan.FromMicroseconds(microseconds)
            : null;

    public void Ready(string status) => Send($"READY=1\nSTATUS={status}");

    public void Status(string status) => Send($"STATUS={status}");

    public void Reloading() =>
        Send($"RELOADING=1\nMONOTONIC_USEC={(Environment.TickCount64 * 1000).ToString(CultureInfo.InvariantCulture)}");

    public void Stopping() => Send("STOPPING=1");

    public void Alive() => Send("WATCHDOG=1");

    private void Send(string message)
    {
        if (_target is null)
            return;
        try
        {
            using var socket = new Socket(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified);
            socket.SendTo(Encoding.UTF8.GetBytes(message), _target);
        }
        catch (SocketException)
        {
            // Whoever watches is gone; there is nobody to tell.
        }
    }

    // A leading '@' stands for the NUL of an abstract name.
    private static UnixDomainSocketEndPoint? Target(string? path) =>
        path is null or "" ? null : new UnixDomainSocketEndPoint(path[0] == '@' ? "\0" + path[1..] : path);
}
