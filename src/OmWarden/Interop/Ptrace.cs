// ptrace(2), as far as watching an execve needs it; everything else that traces is OmCheckpoint's.
using System.Runtime.InteropServices;

namespace OpenMosix.Warden.Interop;

internal static unsafe partial class Ptrace
{
    private const string libc = "libc";
    internal const int PTRACE_CONT = 7;
    internal const int PTRACE_DETACH = 17;
    internal const int PTRACE_SEIZE = 0x4206;
    internal const int PTRACE_INTERRUPT = 0x4207;
    internal const int PTRACE_LISTEN = 0x4208;
    internal const int PTRACE_O_TRACEEXEC = 0x10;
    internal const int PTRACE_EVENT_EXEC = 4;
    internal const int PTRACE_EVENT_STOP = 128;
    private const int WALL = 0x40000000;
    private const int WNOTHREAD = 0x20000000;
    private const int EINTR = 4;

    [LibraryImport(libc, SetLastError = true)]
    private static partial long ptrace(long request, int pid, nint address, nint data);
    [LibraryImport(libc, SetLastError = true)]
    private static partial int waitpid(int pid, int* status, int options);

    /// <summary>0 or -errno.</summary>
    internal static int Request(int request, int pid, nint data) => ptrace(request, pid, 0, data) < 0 ? -Marshal.GetLastPInvokeError() : 0;

    /// <summary>Blocks for the next stop or the end of a tracee of this thread; null when it has none (any more).</summary>
    internal static int? Wait(out int pid)
    {
        int status, got;
        do
            got = waitpid(-1, &status, WALL | WNOTHREAD);
        while (got < 0 && Marshal.GetLastPInvokeError() == EINTR);
        pid = got;
        return got > 0 ? status : null;
    }
}
