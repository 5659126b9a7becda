using System.Runtime.InteropServices;

namespace OpenMosix.Checkpoint.Tests.Restore;

internal static partial class Signal
{
    [LibraryImport("libc", EntryPoint = "sigqueue", SetLastError = true)]
    private static partial int SigQueue(int pid, int signal, nint value);

    [LibraryImport("libc", EntryPoint = "syscall", SetLastError = true)]
    private static unsafe partial nint SysCall(nint number, nint pid, nint tid, nint signal, byte* siginfo);

    /// <returns>0 or -1.</returns>
    public static int Queue(int pid, int signal, int value) => SigQueue(pid, signal, value);

    /// <summary>For one thread, with an si_code below 0.</summary>
    /// <returns>0 or -1.</returns>
    public static unsafe int Queue(int pid, int tid, int signal, int code)
    {
        const int rt_tgsigqueueinfo = 297;
        var siginfo = stackalloc int[128 / sizeof(int)];
        new Span<int>(siginfo, 128 / sizeof(int)).Clear();
        siginfo[0] = signal;
        siginfo[2] = code;
        return (int)SysCall(rt_tgsigqueueinfo, pid, tid, signal, (byte*)siginfo);
    }
}
