using System.Runtime.InteropServices;

namespace OpenMosix.Checkpoint.Interop;

/// <summary>sys/wait.h.</summary>
internal static unsafe partial class Wait
{
    public const int Any = -1;
    public const int WNOHANG = 1;
    public const int WNOTHREAD = 0x20000000; // nothing of other threads of this process
    public const int WALL = 0x40000000;

    private const int P_PID = 1;
    private const int WEXITED = 4;
    private const int WNOWAIT = 0x1000000;
    private const int SiginfoBytes = 128;
    private const int SiginfoCode = 2; // in words of 32 bits
    private const int CLD_EXITED = 1;
    private const int CLD_KILLED = 2;
    private const int CLD_DUMPED = 3;

    [LibraryImport("libc", EntryPoint = "waitid", SetLastError = true)]
    private static partial int WaitId(int type, int id, int* info, int options);

    [LibraryImport("libc", EntryPoint = "waitpid", SetLastError = true)]
    private static partial int WaitPid(int pid, int* status, int options);

    /// <summary>Takes the end of a tracee of any of our threads, if it has ended. Stops, which waitid tells of a tracee whatever it is asked for, are
    /// left for others.</summary>
    public static bool TakeEnd(int tid)
    {
        var info = stackalloc int[SiginfoBytes / sizeof(int)];
        new Span<int>(info, SiginfoBytes / sizeof(int)).Clear();
        return WaitId(P_PID, tid, info, WEXITED | WNOHANG | WNOWAIT | WALL) == 0
            && info[SiginfoCode] is CLD_EXITED or CLD_KILLED or CLD_DUMPED
            && WaitId(P_PID, tid, info, WEXITED | WNOHANG | WALL) == 0;
    }

    /// <returns>pid, or -errno; -EINTR when the wake-up came first.</returns>
    public static int Until(WakeUp wakeUp, int pid, int options, out int status)
    {
        int word = 0, result = -1;
        while (!wakeUp.IsDue)
        {
            result = WaitPid(pid, &word, options);
            if (result >= 0 || Marshal.GetLastPInvokeError() != Errno.EINTR)
            {
                status = word;
                return result < 0 ? -Marshal.GetLastPInvokeError() : result;
            }
        }

        status = 0;
        return -Errno.EINTR;
    }

    /// <returns>pid, 0 with WNOHANG when there is nothing to tell, or -errno. EINTR is waited through.</returns>
    public static int For(int pid, int options, out int status)
    {
        int word = 0, result;
        do
        {
            result = WaitPid(pid, &word, options);
        }
        while (result < 0 && Marshal.GetLastPInvokeError() == Errno.EINTR);
        status = word;
        return result < 0 ? -Marshal.GetLastPInvokeError() : result;
    }
}
