using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace OpenMosix.Checkpoint.Interop;

/// <summary>Calls that have no wrapper in every C library: pidfd_open, pidfd_getfd, kcmp, and signals to one process.</summary>
internal static unsafe partial class Kernel
{
    private const int KCMP_VM = 1;

    [LibraryImport("libc", EntryPoint = "syscall", SetLastError = true)]
    private static partial nint SystemCall(nint number, nint a, nint b, nint c, nint d, nint e);

    [LibraryImport("libc", EntryPoint = "kill", SetLastError = true)]
    private static partial int KillRaw(int pid, int signal);

    [LibraryImport("libc", EntryPoint = "tgkill", SetLastError = true)]
    private static partial int TgKill(int pid, int tid, int signal);

    [LibraryImport("libc", EntryPoint = "ftruncate", SetLastError = true)]
    private static partial int FTruncate(SafeFileHandle file, long bytes);

    [LibraryImport("libc", EntryPoint = "clock_gettime", SetLastError = true)]
    private static partial int ClockGetTime(int clock, long* timespec);

    [LibraryImport("libc", EntryPoint = "ioctl", SetLastError = true)]
    private static partial int IoctlRaw(SafeFileHandle file, nuint request, void* argument);

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int OpenRaw(string path, int flags, int mode);

    [LibraryImport("libc", EntryPoint = "stat", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Stat(string path, FileStatus* status);

    [LibraryImport("libc", EntryPoint = "lstat", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int LStat(string path, FileStatus* status);

    [LibraryImport("libc", EntryPoint = "lseek64", SetLastError = true)]
    private static partial long Seek(SafeFileHandle file, long offset, int whence);

    [LibraryImport("libc", EntryPoint = "fallocate64", SetLastError = true)]
    private static partial int Allocate(SafeFileHandle file, int mode, long offset, long bytes);

    [LibraryImport("libc", EntryPoint = "pread64", SetLastError = true)]
    private static partial nint PRead(SafeFileHandle file, byte* buffer, nuint bytes, long offset);

    /// <summary>struct stat of x86-64.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct FileStatus
    {
        public ulong Device, Inode, Links;
        public uint Mode, Uid, Gid, Pad;
        public ulong RawDevice;
        public long Bytes, BlockBytes, Blocks;
        public long AccessSeconds, AccessNanoseconds, ModifySeconds, ModifyNanoseconds, ChangeSeconds, ChangeNanoseconds;
        public long Reserved0, Reserved1, Reserved2;

        public readonly bool IsRegular => (Mode & 0xf000) == 0x8000;

        public readonly long ModifiedNs => (ModifySeconds * 1_000_000_000) + ModifyNanoseconds;
    }

    private static nint Result(nint result) => result < 0 ? -Marshal.GetLastPInvokeError() : result;

    [LibraryImport("libc", EntryPoint = "gettid")]
    public static partial int ThreadId();

    /// <summary>Of the calling thread. Without the privilege nothing changes.</summary>
    public static void SetNice(int value) => _ = SystemCall(CallNumber.setpriority, 0, 0, value, 0, 0);

    /// <returns>0 or errno.</returns>
    public static int SignalThread(int pid, int tid, int signal) => TgKill(pid, tid, signal) < 0 ? Marshal.GetLastPInvokeError() : 0;

    /// <summary>Of this process.</summary>
    public static bool ThreadExists(int tid) => SignalThread(Environment.ProcessId, tid, 0) == 0;

    /// <returns>0 or errno.</returns>
    public static int Kill(int pid, int signal) => KillRaw(pid, signal) < 0 ? Marshal.GetLastPInvokeError() : 0;

    /// <summary>Takes a copy of another process's descriptor.</summary>
    /// <returns>0 or errno.</returns>
    public static int TakeDescriptor(int pid, int descriptor, out SafeFileHandle? handle)
    {
        handle = null;
        var pidfd = Result(SystemCall(CallNumber.pidfd_open, pid, 0, 0, 0, 0));
        if (pidfd < 0)
        {
            return (int)-pidfd;
        }

        using var owner = new SafeFileHandle(pidfd, ownsHandle: true);
        var taken = Result(SystemCall(CallNumber.pidfd_getfd, pidfd, descriptor, 0, 0, 0));
        if (taken < 0)
        {
            return (int)-taken;
        }

        handle = new SafeFileHandle(taken, ownsHandle: true);
        return 0;
    }

    /// <summary>Whether two processes have one address space; false too when the kernel cannot say.</summary>
    public static bool SameMemory(int left, int right) =>
        SystemCall(CallNumber.kcmp, left, right, KCMP_VM, 0, 0) == 0;

    /// <returns>0 or errno.</returns>
    public static int Truncate(SafeFileHandle file, long bytes) => FTruncate(file, bytes) < 0 ? Marshal.GetLastPInvokeError() : 0;

    public static long ClockNanoseconds(int clock)
    {
        var time = stackalloc long[2];
        return ClockGetTime(clock, time) < 0
            ? throw new InvalidOperationException(Errno.Describe(Marshal.GetLastPInvokeError()))
            : checked((time[0] * 1_000_000_000) + time[1]);
    }

    /// <returns>The result, or -errno.</returns>
    public static int Ioctl(SafeFileHandle file, nuint request, void* argument)
    {
        var result = IoctlRaw(file, request, argument);
        return result < 0 ? -Marshal.GetLastPInvokeError() : result;
    }

    /// <summary>Of what the path leads to, through the links of /proc too. Nothing is opened.</summary>
    /// <returns>0 or errno.</returns>
    public static int Status(string path, out FileStatus status)
    {
        fixed (FileStatus* pointer = &status)
        {
            return Stat(path, pointer) < 0 ? Marshal.GetLastPInvokeError() : 0;
        }
    }

    /// <summary>Of the link itself. Null: there is none.</summary>
    public static uint? LinkMode(string path)
    {
        FileStatus status;
        return LStat(path, &status) < 0 ? null : status.Mode;
    }

    /// <returns>Null: no descriptor is free.</returns>
    public static SafeFileHandle? Duplicate(SafeFileHandle file)
    {
        const int F_DUPFD_CLOEXEC = 1030;
        var descriptor = SystemCall(CallNumber.fcntl, file.DangerousGetHandle(), F_DUPFD_CLOEXEC, 0, 0, 0);
        return descriptor < 0 ? null : new SafeFileHandle(descriptor, ownsHandle: true);
    }

    /// <returns>F_SEAL_* of memory (fcntl(2)); 0: none, or of another kind.</returns>
    public static uint Seals(SafeFileHandle file)
    {
        const int F_GET_SEALS = 1034;
        return (uint)Math.Max(0, Result(SystemCall(CallNumber.fcntl, file.DangerousGetHandle(), F_GET_SEALS, 0, 0, 0)));
    }

    /// <returns>Where data begins at or behind offset, or -errno (-ENXIO: there is none).</returns>
    public static long SeekData(SafeFileHandle file, long offset) => SeekTo(file, offset, 3);

    /// <returns>Where a hole begins at or behind offset (the end of the file is one), or -errno.</returns>
    public static long SeekHole(SafeFileHandle file, long offset) => SeekTo(file, offset, 4);

    private static long SeekTo(SafeFileHandle file, long offset, int whence) =>
        Seek(file, offset, whence) is >= 0 and var at ? at : -Marshal.GetLastPInvokeError();

    /// <summary>Makes a file one hole of the same size.</summary>
    /// <returns>0 or errno.</returns>
    public static int Empty(SafeFileHandle file)
    {
        const int FALLOC_FL_KEEP_SIZE = 1;
        const int FALLOC_FL_PUNCH_HOLE = 2;
        var bytes = RandomAccess.GetLength(file);
        return bytes == 0 ? 0 : Allocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, bytes) < 0 ? Marshal.GetLastPInvokeError() : 0;
    }

    /// <summary>Sends one byte, and a descriptor with it (unix(7), SCM_RIGHTS).</summary>
    /// <returns>0 or errno.</returns>
    public static int SendDescriptor(SafeFileHandle socket, SafeFileHandle descriptor)
    {
        const int MSG_NOSIGNAL = 0x4000;
        // struct msghdr, struct iovec and struct cmsghdr, in words; all of it lies on this frame.
        var added = false;
        descriptor.DangerousAddRef(ref added);
        try
        {
            var body = stackalloc byte[1];
            var vector = stackalloc nuint[2] { (nuint)body, 1 };
            var control = stackalloc nuint[3] { 20, 1 | ((nuint)1 << 32), (nuint)(uint)descriptor.DangerousGetHandle() };
            var header = stackalloc nuint[7] { 0, 0, (nuint)vector, 1, (nuint)control, 24, 0 };
            return (int)Math.Max(0, -Result(SystemCall(CallNumber.sendmsg, socket.DangerousGetHandle(), (nint)header, MSG_NOSIGNAL, 0, 0)));
        }
        finally
        {
            descriptor.DangerousRelease();
        }
    }

    /// <summary>Opens for reading, close-on-exec. FileStream's own open takes locks and refuses what is not a plain file.</summary>
    /// <returns>0 or errno.</returns>
    public static int OpenRead(string path, out SafeFileHandle? handle) => Open(path, 0, out handle);

    /// <summary>Likewise, for writing too.</summary>
    /// <returns>0 or errno.</returns>
    public static int OpenWrite(string path, out SafeFileHandle? handle) => Open(path, 2, out handle);

    private static int Open(string path, int access, out SafeFileHandle? handle)
    {
        const int O_CLOEXEC = 0x80000;
        const int O_NONBLOCK = 0x800;
        var descriptor = OpenRaw(path, O_CLOEXEC | O_NONBLOCK | access, 0);
        handle = descriptor < 0 ? null : new SafeFileHandle(descriptor, ownsHandle: true);
        return descriptor < 0 ? Marshal.GetLastPInvokeError() : 0;
    }

    /// <returns>How many bytes there were (0: no more), or -errno.</returns>
    public static int ReadSome(SafeFileHandle file, Span<byte> destination, long offset)
    {
        fixed (byte* pointer = destination)
        {
            return (int)Result(PRead(file, pointer, (nuint)destination.Length, offset));
        }
    }

    /// <returns>0 when all was read, or errno (EIO: there is no more).</returns>
    public static int ReadAt(SafeFileHandle file, Span<byte> destination, long offset)
    {
        fixed (byte* pointer = destination)
        {
            for (var done = 0; done < destination.Length;)
            {
                var result = PRead(file, pointer + done, (nuint)(destination.Length - done), offset + done);
                if (result <= 0)
                {
                    return result == 0 ? Errno.EIO : Marshal.GetLastPInvokeError();
                }

                done += (int)result;
            }
        }

        return 0;
    }
}
