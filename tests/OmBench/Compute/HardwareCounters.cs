using System.Runtime.InteropServices;

namespace OpenMosix.Bench.Compute;

/// <summary>Whether this machine counts instructions (perf_event_open(2)); a virtual one often does not.</summary>
internal static partial class HardwareCounters
{
    private const long SYS_perf_event_open = 298, SYS_close = 3;
    private const int AttributeBytes = 64; // PERF_ATTR_SIZE_VER0
    private const ulong PERF_COUNT_HW_INSTRUCTIONS = 1;

    public static unsafe string Describe()
    {
        // struct perf_event_attr: type (0: PERF_TYPE_HARDWARE), size, config. Unsafe: the kernel reads it during the call only.
        ulong* attribute = stackalloc ulong[AttributeBytes / sizeof(ulong)];
        new Span<ulong>(attribute, AttributeBytes / sizeof(ulong)).Clear();
        attribute[0] = (ulong)AttributeBytes << 32;
        attribute[1] = PERF_COUNT_HW_INSTRUCTIONS;
        long counter = syscall(SYS_perf_event_open, (nint)attribute, 0, -1, -1, 0);
        if (counter < 0)
            return $"Instructions were not counted: the machine offers no counter of them ({Marshal.GetLastPInvokeErrorMessage()}).";
        _ = syscall(SYS_close, (nint)counter, 0, 0, 0, 0);
        return "Instructions were not counted.";
    }

    [LibraryImport("libc", SetLastError = true)]
    private static partial long syscall(long number, nint first, nint second, nint third, nint fourth, nint fifth);
}
