using System.Runtime.InteropServices;
using OpenMosix.Checkpoint.Tracing;

namespace OpenMosix.Checkpoint.Interop;

/// <summary>process_vm_readv and process_vm_writev (sys/uio.h): memory of another process, obeying its protections.</summary>
internal static unsafe partial class RemoteMemory
{
    // One call moves at most this much: the kernel pins pages in small groups anyway, and a length stays far from ssize_t's end.
    private const int PieceBytes = 1 << 30;

    [StructLayout(LayoutKind.Sequential)]
    private struct Vector
    {
        public nuint Base;
        public nuint Length;
    }

    [LibraryImport("libc", EntryPoint = "process_vm_readv", SetLastError = true)]
    private static partial nint ReadV(int pid, Vector* local, nuint localCount, Vector* remote, nuint remoteCount, nuint flags);

    [LibraryImport("libc", EntryPoint = "process_vm_writev", SetLastError = true)]
    private static partial nint WriteV(int pid, Vector* local, nuint localCount, Vector* remote, nuint remoteCount, nuint flags);

    /// <returns>0 when all was read, or errno; <paramref name="done"/> bytes are there in any case.</returns>
    public static int Read(int pid, RemoteAddress address, Span<byte> destination, out int done)
    {
        done = 0;
        fixed (byte* pointer = destination)
        {
            while (done < destination.Length)
            {
                var bytes = (nuint)Math.Min(destination.Length - done, PieceBytes);
                var local = new Vector { Base = (nuint)(pointer + done), Length = bytes };
                var remote = new Vector { Base = (nuint)(address.Value + (ulong)done), Length = bytes };
                var result = ReadV(pid, &local, 1, &remote, 1, 0);
                if (result <= 0)
                {
                    return result == 0 ? Errno.EFAULT : Marshal.GetLastPInvokeError();
                }

                done += (int)result;
            }
        }

        return 0;
    }

    /// <returns>0 when all was written, or errno; <paramref name="done"/> bytes were written in any case.</returns>
    public static int Write(int pid, RemoteAddress address, ReadOnlySpan<byte> source, out int done)
    {
        done = 0;
        fixed (byte* pointer = source)
        {
            while (done < source.Length)
            {
                var bytes = (nuint)Math.Min(source.Length - done, PieceBytes);
                var local = new Vector { Base = (nuint)(pointer + done), Length = bytes };
                var remote = new Vector { Base = (nuint)(address.Value + (ulong)done), Length = bytes };
                var result = WriteV(pid, &local, 1, &remote, 1, 0);
                if (result <= 0)
                {
                    return result == 0 ? Errno.EFAULT : Marshal.GetLastPInvokeError();
                }

                done += (int)result;
            }
        }

        return 0;
    }
}
