using System.Runtime.InteropServices;

namespace OpenMosix.Lab.Interop;

/// <summary>The calls that .NET has no name for. Thin: errno is read with <see cref="Marshal.GetLastPInvokeError"/>.</summary>
internal static partial class LibC
{
    internal const int CloneNewNet = 0x40000000;
    internal const int LockExclusive = 2;
    internal const int SolSocket = 1;
    internal const int SoPeerCred = 17;
    internal const int SigKill = 9;
    internal const int SigTerm = 15;
    internal const short PollIn = 1;

    [LibraryImport("libc", EntryPoint = "geteuid")]
    internal static partial uint EffectiveUserId();

    [LibraryImport("libc", EntryPoint = "setns", SetLastError = true)]
    internal static partial int SetNamespace(SafeHandle fd, int type);

    [LibraryImport("libc", EntryPoint = "flock", SetLastError = true)]
    internal static partial int Lock(SafeHandle fd, int operation);

    [LibraryImport("libc", EntryPoint = "pidfd_open", SetLastError = true)]
    internal static partial PidFd OpenPidFd(int pid, uint flags);

    [LibraryImport("libc", EntryPoint = "pidfd_send_signal", SetLastError = true)]
    internal static partial int SendSignal(PidFd fd, int signal, nint info, uint flags);

    [LibraryImport("libc", EntryPoint = "kill", SetLastError = true)]
    internal static partial int Kill(int pid, int signal);

    [LibraryImport("libc", EntryPoint = "poll", SetLastError = true)]
    internal static partial int Poll(ref PollFd fds, nuint count, int timeoutMs);

    [LibraryImport("libc", EntryPoint = "close", SetLastError = true)]
    internal static partial int Close(int fd);

    /// <summary>Replaces this process; returns only when it could not. The last argument is null.</summary>
    [LibraryImport("libc", EntryPoint = "execv", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int Execute(string path, string?[] arguments);

    internal static string LastError() => Marshal.GetPInvokeErrorMessage(Marshal.GetLastPInvokeError());

    internal struct PollFd
    {
        public int Fd;
        public short Events;
        public short Returned;
    }
}
