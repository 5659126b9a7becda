using System.Buffers.Binary;
using OpenMosix.Checkpoint.Interop;
using OpenMosix.Checkpoint.Tracing;
using OpenMosix.Protocol.V1;

namespace OpenMosix.Checkpoint.Cpu;

/// <summary>
/// ITIMER_VIRTUAL and ITIMER_PROF (setitimer(2)): they count the time a process computes, so they are where the body is, and the deputy has none. What
/// is left of them goes along. ITIMER_REAL stays at home.
/// </summary>
internal static class CpuTimers
{
    private const int ItimervalBytes = 32; // interval, value: seconds and microseconds each
    private const long UsPerSecond = 1_000_000;

    private static readonly uint[] All = [1, 2]; // ITIMER_VIRTUAL, ITIMER_PROF

    /// <returns>Where the answers will be.</returns>
    public static ulong Ask(Batch batch)
    {
        var room = batch.Reserve(All.Length * ItimervalBytes);
        for (var i = 0; i < All.Length; i++)
        {
            batch.Add(CallNumber.getitimer, All[i], room + (ulong)(i * ItimervalBytes));
        }

        return room;
    }

    public static IEnumerable<CpuTimer> Answered(BatchResults results, ulong room)
    {
        for (var i = 0; i < All.Length; i++)
        {
            var bytes = results.Bytes(room + (ulong)(i * ItimervalBytes), ItimervalBytes);
            var timer = new CpuTimer { Which = All[i], IntervalUs = Time(bytes, 0), LeftUs = Time(bytes, 16) };
            if (timer.LeftUs > 0)
            {
                yield return timer;
            }
        }
    }

    /// <summary>Whether one of those that ran then has fired since: it begins anew then, or is there no more.</summary>
    public static bool Fired(IReadOnlyList<CpuTimer> then, IReadOnlyList<CpuTimer> now) =>
        then.Any(timer => now.FirstOrDefault(each => each.Which == timer.Which) is not { } left || left.LeftUs > timer.LeftUs);

    public static void AddNone(Batch batch)
    {
        foreach (var which in All)
        {
            Add(batch, new CpuTimer { Which = which });
        }
    }

    public static void AddForBody(Batch batch, ProcessImage image)
    {
        foreach (var timer in image.CpuTimers.Where(timer => All.Contains(timer.Which)))
        {
            Add(batch, timer);
        }
    }

    private static void Add(Batch batch, CpuTimer timer)
    {
        Span<byte> bytes = stackalloc byte[ItimervalBytes];
        Write(bytes, timer.IntervalUs);
        Write(bytes[16..], timer.LeftUs);
        batch.Add(CallNumber.setitimer, timer.Which, batch.Data(bytes), 0);
    }

    private static long Time(ReadOnlySpan<byte> bytes, int at) =>
        (BinaryPrimitives.ReadInt64LittleEndian(bytes[at..]) * UsPerSecond) + BinaryPrimitives.ReadInt64LittleEndian(bytes[(at + 8)..]);

    private static void Write(Span<byte> bytes, long us)
    {
        BinaryPrimitives.WriteInt64LittleEndian(bytes, us / UsPerSecond);
        BinaryPrimitives.WriteInt64LittleEndian(bytes[8..], us % UsPerSecond);
    }
}
