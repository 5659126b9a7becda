// A process by descriptor: unlike a pid it never comes to mean another process. Readable (epoll) once the process has ended.
using System.Net.Sockets;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace OpenMosix.Daemon.Interop;

public sealed partial class Pidfd : SafeHandleMinusOneIsInvalid
{
    private const int SOL_SOCKET = 1;
    private const int SO_PEERPIDFD = 77; // Linux 6.5
    private const int ESRCH = 3;

    public Pidfd()
        : base(ownsHandle: true)
    {
    }

    private Pidfd(int descriptor)
        : base(ownsHandle: true) => SetHandle(descriptor);

    /// <summary>Null when there is no such process (any more), or it is not the leader of its thread group.</summary>
    public static Pidfd? Open(int pid)
    {
        var pidfd = pidfd_open(pid, 0);
        if (!pidfd.IsInvalid)
        {
            return pidfd;
        }
        pidfd.Dispose();
        return null;
    }

    /// <summary>The process that connected; the pid is only the way for kernels before 6.5, and safe there as long as the caller
    /// knows that the peer still waits for an answer.</summary>
    public static Pidfd? OfPeer(Socket socket, int pid)
    {
        Span<byte> value = stackalloc byte[sizeof(int)];
        try
        {
            socket.GetRawSocketOption(SOL_SOCKET, SO_PEERPIDFD, value);
            return new Pidfd(MemoryMarshal.Read<int>(value));
        }
        catch (SocketException)
        {
            return Open(pid);
        }
    }

    /// <summary>False when the process has ended already.</summary>
    public bool TrySignal(int signal)
    {
        if (pidfd_send_signal(this, signal, 0, 0) == 0)
        {
            return true;
        }
        var error = Marshal.GetLastPInvokeError();
        return error == ESRCH ? false : throw new InvalidOperationException($"pidfd_send_signal({signal}): errno {error}");
    }

    protected override bool ReleaseHandle() => close((int)handle) == 0;

    [LibraryImport("libc", SetLastError = true)]
    private static partial Pidfd pidfd_open(int pid, uint flags);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int pidfd_send_signal(Pidfd pidfd, int signal, nint info, uint flags);

    [LibraryImport("libc")]
    private static partial int close(int descriptor);
}
