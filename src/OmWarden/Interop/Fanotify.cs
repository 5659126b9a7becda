// fanotify(7), permission events: whoever opens a marked file waits until it is said that they may. When the group's descriptor is closed all may.
using System.Buffers.Binary;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace OpenMosix.Warden.Interop;

/// <param name="File">What is being opened; to be disposed when it has been answered.</param>
/// <param name="Pid">Who opens it, in this pid namespace; 0: somebody outside of it.</param>
internal readonly record struct OpenEvent(SafeFileHandle File, int Pid);

internal static unsafe partial class Fanotify
{
    private const uint FAN_CLOEXEC = 1, FAN_NONBLOCK = 2, FAN_CLASS_CONTENT = 4;
    private const uint FAN_MARK_ADD = 1, FAN_MARK_REMOVE = 2;
    private const ulong FAN_OPEN_PERM = 0x10000;
    private const uint FAN_ALLOW = 1;
    private const uint O_RDONLY_LARGEFILE_CLOEXEC = 0x88000;
    private const int MetadataBytes = 24, ResponseBytes = 8;

    [LibraryImport("libc", SetLastError = true)]
    private static partial int fanotify_init(uint flags, uint eventFlags);
    [LibraryImport("libc", SetLastError = true)]
    private static partial int fanotify_mark(SafeFileHandle group, uint flags, ulong mask, SafeFileHandle file, nint path);

    /// <summary>Null and errno: this kernel cannot, or this process may not.</summary>
    internal static SafeFileHandle? Create(out int errno)
    {
        int fd = fanotify_init(FAN_CLOEXEC | FAN_NONBLOCK | FAN_CLASS_CONTENT, O_RDONLY_LARGEFILE_CLOEXEC);
        errno = fd < 0 ? Marshal.GetLastPInvokeError() : 0;
        return fd < 0 ? null : new SafeFileHandle(fd, true);
    }

    /// <summary>0 or errno.</summary>
    internal static int Watch(SafeFileHandle group, SafeFileHandle file) => Mark(group, file, FAN_MARK_ADD);

    internal static void Unwatch(SafeFileHandle group, SafeFileHandle file) => _ = Mark(group, file, FAN_MARK_REMOVE);

    /// <summary>What has come; empty: nothing more.</summary>
    internal static List<OpenEvent> Read(SafeFileHandle group)
    {
        byte[] bytes = new byte[MetadataBytes * 64];
        int got;
        try
        {
            got = RandomAccess.Read(group, bytes, 0);
        }
        catch (IOException)
        {
            return []; // EAGAIN, or no descriptor is free for the event
        }
        var events = new List<OpenEvent>();
        for (int at = 0; at + MetadataBytes <= got; at += BinaryPrimitives.ReadInt32LittleEndian(bytes.AsSpan(at)))
        {
            int fd = BinaryPrimitives.ReadInt32LittleEndian(bytes.AsSpan(at + 16));
            if (fd >= 0)
                events.Add(new(new SafeFileHandle(fd, true), BinaryPrimitives.ReadInt32LittleEndian(bytes.AsSpan(at + 20))));
        }
        return events;
    }

    internal static void Allow(SafeFileHandle group, OpenEvent opened)
    {
        Span<byte> response = stackalloc byte[ResponseBytes];
        BinaryPrimitives.WriteInt32LittleEndian(response, (int)opened.File.DangerousGetHandle());
        BinaryPrimitives.WriteUInt32LittleEndian(response[4..], FAN_ALLOW);
        try
        {
            RandomAccess.Write(group, response, 0);
        }
        catch (IOException)
        {
            // Whoever waited was killed.
        }
        opened.File.Dispose();
    }

    private static int Mark(SafeFileHandle group, SafeFileHandle file, uint what) =>
        fanotify_mark(group, what, FAN_OPEN_PERM, file, 0) < 0 ? Marshal.GetLastPInvokeError() : 0;
}
