// epoll(7) for descriptors that .NET does not know: pidfds, pressure files, eventfds. One thread waits; any thread may add and remove.
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace OpenMosix.Daemon.Interop;

internal sealed partial class Epoll : SafeHandleMinusOneIsInvalid
{
    public const uint EPOLLIN = 0x001;
    public const uint EPOLLPRI = 0x002;
    public const uint EPOLLERR = 0x008;
    public const uint EPOLLONESHOT = 1u << 30;

    private const int EPOLL_CLOEXEC = 0x80000;
    private const int EPOLL_CTL_ADD = 1;
    private const int EINTR = 4;

    public Epoll()
        : base(ownsHandle: true)
    {
    }

    public static Epoll Create()
    {
        var epoll = epoll_create1(EPOLL_CLOEXEC);
        return epoll.IsInvalid ? throw Failed("epoll_create1") : epoll;
    }

    /// <summary>A descriptor leaves by being closed.</summary>
    public void Add(SafeHandle descriptor, uint events, ulong data)
    {
        var entry = new epoll_event { events = events, data = data };
        if (epoll_ctl(this, EPOLL_CTL_ADD, descriptor, ref entry) != 0)
        {
            throw Failed("epoll_ctl");
        }
    }

    /// <summary>Waits without a limit; returns how many entries were filled.</summary>
    public int Wait(Span<epoll_event> events)
    {
        while (true)
        {
            var count = epoll_wait(this, ref MemoryMarshal.GetReference(events), events.Length, -1);
            if (count >= 0)
            {
                return count;
            }
            if (Marshal.GetLastPInvokeError() != EINTR)
            {
                throw Failed("epoll_wait");
            }
        }
    }

    protected override bool ReleaseHandle() => close((int)handle) == 0;

    private static InvalidOperationException Failed(string call) => new($"{call}: errno {Marshal.GetLastPInvokeError()}");

    [LibraryImport("libc", SetLastError = true)]
    private static partial Epoll epoll_create1(int flags);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int epoll_ctl(Epoll epoll, int operation, SafeHandle descriptor, ref epoll_event entry);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int epoll_wait(Epoll epoll, ref epoll_event events, int capacity, int timeout);

    [LibraryImport("libc")]
    private static partial int close(int descriptor);

    /// <summary>Packed on x86-64 only, which is all we run on.</summary>
    [StructLayout(LayoutKind.Sequential, Pack = 4)]
    public struct epoll_event
    {
        public uint events;
        public ulong data;
    }
}
