using OpenMosix.Checkpoint.Interop;
using OpenMosix.Protocol.V1;

namespace OpenMosix.Checkpoint;

/// <summary>Reads this node's clocks, for the image and for the offsets of a cell's time namespace.</summary>
public static class ClockReader
{
    private const int CLOCK_REALTIME = 0;
    private const int CLOCK_MONOTONIC = 1;
    private const int CLOCK_BOOTTIME = 7;

    public static ClockOffsets Read() => new()
    {
        MonotonicNs = Monotonic,
        BoottimeNs = Kernel.ClockNanoseconds(CLOCK_BOOTTIME),
        RealtimeNs = Kernel.ClockNanoseconds(CLOCK_REALTIME),
    };

    internal static long Monotonic => Kernel.ClockNanoseconds(CLOCK_MONOTONIC);
}
