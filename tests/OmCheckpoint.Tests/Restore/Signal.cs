using System.Runtime.InteropServices;

namespace OpenMosix.Checkpoint.Tests.Restore;

internal static partial class Signal
{
    [LibraryImport("libc", EntryPoint = "sigqueue", SetLastError = true)]
    private static partial int SigQueue(int pid, int signal, nint value);

    /// <returns>0 or -1.</returns>
    public static int Queue(int pid, int signal, int value) => SigQueue(pid, signal, value);
}
