// eventfd(2): wakes a thread that waits in epoll, and receives cgroup v1 notifications.
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace OpenMosix.Daemon.Interop;

internal sealed partial class EventFd : SafeHandleMinusOneIsInvalid
{
    private const int EFD_CLOEXEC = 0x80000;
    private const int EFD_NONBLOCK = 0x800;

    public EventFd()
        : base(ownsHandle: true)
    {
    }

    /// <summary>For interfaces that take descriptors as text (cgroup.event_control). Valid as long as this handle lives.</summary>
    public int Number => (int)handle;

    public static EventFd Create()
    {
        var descriptor = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        return descriptor.IsInvalid ? throw new InvalidOperationException($"eventfd: errno {Marshal.GetLastPInvokeError()}") : descriptor;
    }

    public void Ring()
    {
        ulong one = 1;
        // The counter can be full only after 2^64 rings that nobody took.
        _ = write(this, in one, sizeof(ulong));
    }

    public void Clear() => _ = read(this, out _, sizeof(ulong));

    protected override bool ReleaseHandle() => close((int)handle) == 0;

    [LibraryImport("libc", SetLastError = true)]
    private static partial EventFd eventfd(uint initial, int flags);

    [LibraryImport("libc", SetLastError = true)]
    private static partial nint write(EventFd descriptor, in ulong value, nuint bytes);

    [LibraryImport("libc", SetLastError = true)]
    private static partial nint read(EventFd descriptor, out ulong value, nuint bytes);

    [LibraryImport("libc")]
    private static partial int close(int descriptor);
}
