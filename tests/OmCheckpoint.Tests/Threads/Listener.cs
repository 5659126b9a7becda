using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using OpenMosix.Checkpoint.Interop;

namespace OpenMosix.Checkpoint.Tests.Threads;

/// <summary>A seccomp listener, as the engine serves it (linux/seccomp.h).</summary>
internal sealed unsafe partial class Listener(SafeFileHandle handle) : IDisposable
{
    private const nuint SECCOMP_IOCTL_NOTIF_RECV = 0xc050_2100;
    private const nuint SECCOMP_IOCTL_NOTIF_SEND = 0xc018_2101;
    private const short POLLIN = 1;

    [StructLayout(LayoutKind.Sequential)]
    private struct Notification
    {
        public ulong Id;
        public int Tid;
        public uint Flags;
        public int Number;
        public uint Architecture;
        public ulong InstructionPointer;
        public fixed ulong Arguments[6];
    }

    [StructLayout(LayoutKind.Sequential)]
    private struct Response
    {
        public ulong Id;
        public long Value;
        public int Error;
        public uint Flags;
    }

    [StructLayout(LayoutKind.Sequential)]
    private struct PollDescriptor
    {
        public int Descriptor;
        public short Events;
        public short Returned;
    }

    /// <returns>null: there is nobody left who could call.</returns>
    public (ulong Id, int Tid, int Number)? Next()
    {
        var poll = new PollDescriptor { Descriptor = (int)handle.DangerousGetHandle(), Events = POLLIN };
        Assert.Equal(1, Poll(&poll, 1, -1));
        if ((poll.Returned & POLLIN) == 0)
        {
            return null;
        }

        var notification = default(Notification);
        Assert.Equal(0, Kernel.Ioctl(handle, SECCOMP_IOCTL_NOTIF_RECV, &notification));
        return (notification.Id, notification.Tid, notification.Number);
    }

    public void Answer(ulong id, int error)
    {
        var response = new Response { Id = id, Error = -error };
        Assert.Equal(0, Kernel.Ioctl(handle, SECCOMP_IOCTL_NOTIF_SEND, &response));
    }

    public void Dispose() => handle.Dispose();

    [LibraryImport("libc", EntryPoint = "poll", SetLastError = true)]
    private static partial int Poll(PollDescriptor* descriptors, ulong count, int timeout);
}
