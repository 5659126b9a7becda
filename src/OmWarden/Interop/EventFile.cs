// eventfd(2), and poll(2) for a thread that waits for one of several descriptors.
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace OpenMosix.Warden.Interop;

internal static unsafe partial class EventFile
{
    internal const short POLLIN = 1, POLLPRI = 2;
    private const int EFD_CLOEXEC = 0x80000;
    private const int EINTR = 4;

    [StructLayout(LayoutKind.Sequential)]
    private struct PollDescriptor
    {
        internal int fd;
        internal short events, revents;
    }

    [LibraryImport("libc", SetLastError = true)]
    private static partial int eventfd(uint initial, int flags);
    [LibraryImport("libc", SetLastError = true)]
    private static partial int poll(PollDescriptor* fds, ulong count, int timeoutMs);

    internal static SafeFileHandle Create()
    {
        int fd = eventfd(0, EFD_CLOEXEC);
        return fd >= 0 ? new(fd, true) : throw new IOException($"eventfd: {Marshal.GetLastPInvokeErrorMessage()}");
    }

    internal static void Signal(SafeFileHandle file) => RandomAccess.Write(file, BitConverter.GetBytes(1UL), 0);

    internal static void Clear(SafeFileHandle file) => RandomAccess.Read(file, stackalloc byte[sizeof(ulong)], 0);

    /// <summary>Waits for the first; which of them have happened.</summary>
    internal static bool[] Wait(params ReadOnlySpan<(SafeFileHandle File, short Events)> files)
    {
        PollDescriptor* fds = stackalloc PollDescriptor[files.Length];
        for (int i = 0; i < files.Length; i++)
            fds[i] = new() { fd = (int)files[i].File.DangerousGetHandle(), events = files[i].Events };
        while (poll(fds, (ulong)files.Length, -1) < 0)
            if (Marshal.GetLastPInvokeError() != EINTR)
                throw new IOException($"poll: {Marshal.GetLastPInvokeErrorMessage()}");
        bool[] happened = new bool[files.Length];
        for (int i = 0; i < files.Length; i++)
            happened[i] = fds[i].revents != 0;
        return happened;
    }
}
