// pidfd_open(2), pidfd_send_signal(2), waitid(2).
using System.Globalization;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace OpenMosix.Warden.Interop;

internal static unsafe partial class Processes
{
    private const string libc = "libc";
    private const long SYS_tkill = 200;
    private const long SYS_pidfd_send_signal = 424;
    private const long SYS_pidfd_open = 434;
    private const int P_PIDFD = 3;
    private const int P_PID = 1;
    private const int WEXITED = 4;
    private const int WALL = 0x40000000;
    private const int EINTR = 4;
    private const int ECHILD = 10;
    private const short POLLIN = 1;

    [StructLayout(LayoutKind.Sequential)]
    private struct PollDescriptor
    {
        internal int fd;
        internal short events;
        internal short revents;
    }

    [LibraryImport(libc, SetLastError = true)]
    private static partial long syscall(long number, long a, long b, long c, long d);
    [LibraryImport(libc, SetLastError = true)]
    private static partial int waitid(int type, int id, byte* info, int options);
    [LibraryImport(libc, SetLastError = true)]
    private static partial int poll(PollDescriptor* descriptors, ulong count, int timeout);

    /// <summary>A pidfd, or null when there is no such process.</summary>
    internal static SafeFileHandle? OpenPidfd(int pid)
    {
        long fd = syscall(SYS_pidfd_open, pid, 0, 0, 0);
        return fd < 0 ? null : new SafeFileHandle((nint)fd, true);
    }

    /// <summary>The number of a process or thread in its own pid namespace (proc_pid_status(5), NSpid).</summary>
    internal static int InnermostTid(int tid)
    {
        const string field = "NSpid:";
        string line = File.ReadLines($"/proc/{tid}/status").First(text => text.StartsWith(field, StringComparison.Ordinal));
        return int.Parse(line.AsSpan(line.LastIndexOf('\t')), CultureInfo.InvariantCulture);
    }

    /// <summary>0 when it has ended.</summary>
    internal static ulong ResidentBytes(int pid)
    {
        try
        {
            string[] pages = File.ReadAllText($"/proc/{pid}/statm").Split(' '); // proc_pid_statm(5)
            return ulong.Parse(pages[1], CultureInfo.InvariantCulture) * (ulong)Environment.SystemPageSize;
        }
        catch (IOException)
        {
            return 0;
        }
    }

    /// <summary>0 or -errno (-3 ESRCH: it has ended).</summary>
    internal static int SendSignal(SafeHandle pidfd, int signal)
    {
        bool held = false;
        try
        {
            pidfd.DangerousAddRef(ref held);
            return syscall(SYS_pidfd_send_signal, pidfd.DangerousGetHandle(), signal, 0, 0) < 0 ? -Marshal.GetLastPInvokeError() : 0;
        }
        finally
        {
            if (held)
                pidfd.DangerousRelease();
        }
    }

    /// <summary>tkill(2).</summary>
    internal static void SignalThread(int tid, int signal) => _ = syscall(SYS_tkill, tid, signal, 0, 0);

    /// <summary>Blocks until the process has ended; reaps it when it is our child.</summary>
    internal static void WaitForEnd(SafeHandle pidfd)
    {
        bool held = false;
        try
        {
            pidfd.DangerousAddRef(ref held);
            int fd = (int)pidfd.DangerousGetHandle();
            byte* info = stackalloc byte[128];
            int error;
            do
                error = waitid(P_PIDFD, fd, info, WEXITED | WALL) == 0 ? 0 : Marshal.GetLastPInvokeError();
            while (error == EINTR);
            if (error != ECHILD)
                return;
            // Not our child: it was started before this warden was. Its pidfd becomes readable when it has ended.
            PollDescriptor descriptor = new() { fd = fd, events = POLLIN };
            while (poll(&descriptor, 1, -1) < 0 && Marshal.GetLastPInvokeError() == EINTR)
            {
            }
        }
        finally
        {
            if (held)
                pidfd.DangerousRelease();
        }
    }

    /// <summary>Reaps a child by its pid, which stays its own until then.</summary>
    internal static void Reap(int pid)
    {
        byte* info = stackalloc byte[128];
        while (waitid(P_PID, pid, info, WEXITED | WALL) != 0 && Marshal.GetLastPInvokeError() == EINTR)
        {
        }
    }
}
