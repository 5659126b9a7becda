// sched_getaffinity(2) of any thread.
using System.Runtime.InteropServices;

namespace OpenMosix.Warden.Interop;

internal static unsafe partial class Affinity
{
    private const int MaskBytes = 1024; // 8192 processors, the kernel's most
    private const long SYS_sched_getaffinity = 204;

    [LibraryImport("libc")]
    private static partial long syscall(long number, long a, long b, void* c);

    /// <summary>The mask, without what is zero at its end; empty: the thread has ended.</summary>
    internal static byte[] Of(int tid)
    {
        byte[] mask = new byte[MaskBytes];
        fixed (byte* bytes = mask)
            if (syscall(SYS_sched_getaffinity, tid, MaskBytes, bytes) < 0)
                return [];
        return mask[..(Array.FindLastIndex(mask, part => part != 0) + 1)];
    }

    /// <summary>What is in both.</summary>
    internal static byte[] Common(ReadOnlySpan<byte> one, ReadOnlySpan<byte> other)
    {
        byte[] common = new byte[Math.Min(one.Length, other.Length)];
        for (int i = 0; i < common.Length; i++)
            common[i] = (byte)(one[i] & other[i]);
        return common[..(Array.FindLastIndex(common, part => part != 0) + 1)];
    }
}
