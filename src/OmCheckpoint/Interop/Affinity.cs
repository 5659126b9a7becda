using System.Runtime.InteropServices;

namespace OpenMosix.Checkpoint.Interop;

/// <summary>sched.h: where the calling thread may run.</summary>
internal sealed unsafe partial class Affinity : IDisposable
{
    private const int MaskBytes = 1024; // 8192 CPUs, the kernel's most
    private readonly byte[] _before;
    private readonly int _bytes;

    private Affinity(byte[] before, int bytes)
    {
        _before = before;
        _bytes = bytes;
    }

    /// <summary>Takes the calling thread to one CPU until disposed. null: it may not run there.</summary>
    public static Affinity? On(int cpu)
    {
        if (cpu is < 0 or >= MaskBytes * 8)
        {
            return null;
        }

        var before = new byte[MaskBytes];
        var there = new byte[MaskBytes];
        there[cpu / 8] = (byte)(1 << (cpu % 8));
        fixed (byte* beforePointer = before, therePointer = there)
        {
            var bytes = SystemCall(CallNumber.sched_getaffinity, 0, MaskBytes, beforePointer);
            return bytes > 0 && SystemCall(CallNumber.sched_setaffinity, 0, MaskBytes, therePointer) == 0
                ? new Affinity(before, (int)bytes)
                : null;
        }
    }

    public void Dispose()
    {
        fixed (byte* pointer = _before)
        {
            _ = SystemCall(CallNumber.sched_setaffinity, 0, _bytes, pointer);
        }
    }

    [LibraryImport("libc", EntryPoint = "syscall", SetLastError = true)]
    private static partial nint SystemCall(nint number, nint pid, nint bytes, byte* mask);
}
