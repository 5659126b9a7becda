using System.Runtime.InteropServices;

namespace OpenMosix.Checkpoint.Interop;

/// <summary>sys/wait.h.</summary>
internal static unsafe partial class Wait
{
    public const int WNOHANG = 1;
    public const int WALL = 0x40000000;

    [LibraryImport("libc", EntryPoint = "waitpid", SetLastError = true)]
    private static partial int WaitPid(int pid, int* status, int options);

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
