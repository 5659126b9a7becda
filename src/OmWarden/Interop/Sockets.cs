// socket(7), unix(7): what System.Net.Sockets does not offer (socketpair, SCM_CREDENTIALS, SO_PEERCRED, SCM_RIGHTS).
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace OpenMosix.Warden.Interop;

internal static unsafe partial class Sockets
{
    private const string libc = "libc";
    private const int AF_UNIX = 1;
    private const int SOCK_SEQPACKET = 5;
    private const int SOCK_CLOEXEC = 0x80000;
    private const int SOL_SOCKET = 1;
    private const int SO_PASSCRED = 16;
    private const int SO_PEERCRED = 17;
    private const int SO_RCVTIMEO = 20;
    private const int SCM_RIGHTS = 1;
    private const int SCM_CREDENTIALS = 2;
    private const int MSG_NOSIGNAL = 0x4000;
    private const int MSG_CMSG_CLOEXEC = 0x40000000;
    private const int EINTR = 4;

    [StructLayout(LayoutKind.Sequential)]
    private struct IoVector
    {
        internal void* iov_base;
        internal nuint iov_len;
    }

    [StructLayout(LayoutKind.Sequential)]
    private struct MessageHeader
    {
        internal void* msg_name;
        internal uint msg_namelen;
        internal IoVector* msg_iov;
        internal nuint msg_iovlen;
        internal void* msg_control;
        internal nuint msg_controllen;
        internal int msg_flags;
    }

    [StructLayout(LayoutKind.Sequential)]
    private struct ControlHeader
    {
        internal nuint cmsg_len;
        internal int cmsg_level;
        internal int cmsg_type;
    }

    [StructLayout(LayoutKind.Sequential)]
    internal struct Credentials
    {
        internal int pid;
        internal uint uid;
        internal uint gid;
    }

    [LibraryImport(libc, SetLastError = true)]
    private static partial int socketpair(int domain, int type, int protocol, int* pair);
    [LibraryImport(libc, SetLastError = true)]
    private static partial int setsockopt(SafeHandle fd, int level, int name, void* value, uint length);
    [LibraryImport(libc, SetLastError = true)]
    private static partial int getsockopt(SafeHandle fd, int level, int name, void* value, uint* length);
    [LibraryImport(libc, SetLastError = true)]
    private static partial nint recvmsg(SafeHandle fd, MessageHeader* message, int flags);
    [LibraryImport(libc, SetLastError = true)]
    private static partial nint sendmsg(SafeHandle fd, MessageHeader* message, int flags);

    /// <summary>A pair of connected SOCK_SEQPACKET sockets. The first one is told who sends (SO_PASSCRED).</summary>
    internal static (SafeFileHandle Ours, SafeFileHandle Theirs) Pair()
    {
        int* pair = stackalloc int[2];
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
            throw new IOException($"socketpair: {Marshal.GetLastPInvokeErrorMessage()}");
        var ours = new SafeFileHandle(pair[0], true);
        var theirs = new SafeFileHandle(pair[1], true);
        int on = 1;
        setsockopt(ours, SOL_SOCKET, SO_PASSCRED, &on, sizeof(int));
        return (ours, theirs);
    }

    internal static void SetReceiveTimeout(SafeHandle fd, TimeSpan timeout)
    {
        long* value = stackalloc long[2] { (long)timeout.TotalSeconds, timeout.Microseconds };
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, value, 16);
    }

    internal static Credentials Peer(SafeHandle fd)
    {
        Credentials peer = default;
        uint length = (uint)sizeof(Credentials);
        if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0)
            throw new IOException($"SO_PEERCRED: {Marshal.GetLastPInvokeErrorMessage()}");
        return peer;
    }

    /// <summary>Receives one message and who sent it (pid in our namespace). Returns its length, 0 at the end, or -errno.</summary>
    internal static int Receive(SafeHandle fd, Span<byte> message, out Credentials sender)
    {
        // Unsafe: recvmsg writes into the pinned span and this frame's control buffer only.
        fixed (byte* data = message)
        {
            byte* control = stackalloc byte[64];
            IoVector vector = new() { iov_base = data, iov_len = (nuint)message.Length };
            MessageHeader header;
            nint got;
            do
            {
                header = new() { msg_iov = &vector, msg_iovlen = 1, msg_control = control, msg_controllen = 64 };
                got = recvmsg(fd, &header, MSG_CMSG_CLOEXEC);
            }
            while (got < 0 && Marshal.GetLastPInvokeError() == EINTR);
            sender = default;
            if (got < 0)
                return -Marshal.GetLastPInvokeError();
            ControlHeader* first = (ControlHeader*)control;
            if (header.msg_controllen >= (nuint)sizeof(ControlHeader) && first->cmsg_level == SOL_SOCKET
                && first->cmsg_type == SCM_CREDENTIALS)
                sender = *(Credentials*)(first + 1);
            return (int)got;
        }
    }

    /// <summary>Sends one message, with descriptors if there are any. Returns 0 or -errno.</summary>
    internal static int Send(SafeHandle fd, ReadOnlySpan<byte> message, ReadOnlySpan<int> descriptors = default)
    {
        const int most = 16;
        ArgumentOutOfRangeException.ThrowIfGreaterThan(descriptors.Length, most);
        // Unsafe: sendmsg reads the pinned span and this frame's control buffer only.
        fixed (byte* data = message)
        {
            byte* control = stackalloc byte[sizeof(ControlHeader) + most * sizeof(int)];
            IoVector vector = new() { iov_base = data, iov_len = (nuint)message.Length };
            MessageHeader header = new() { msg_iov = &vector, msg_iovlen = 1 };
            if (descriptors.Length > 0)
            {
                ControlHeader* first = (ControlHeader*)control;
                first->cmsg_level = SOL_SOCKET;
                first->cmsg_type = SCM_RIGHTS;
                first->cmsg_len = (nuint)(sizeof(ControlHeader) + descriptors.Length * sizeof(int));
                descriptors.CopyTo(new Span<int>(first + 1, most));
                header.msg_control = control;
                header.msg_controllen = (first->cmsg_len + 7) & ~(nuint)7;
            }
            nint sent;
            do
                sent = sendmsg(fd, &header, MSG_NOSIGNAL);
            while (sent < 0 && Marshal.GetLastPInvokeError() == EINTR);
            return sent < 0 ? -Marshal.GetLastPInvokeError() : 0;
        }
    }
}
