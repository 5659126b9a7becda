using System.Collections.Concurrent;
using OpenMosix.Checkpoint;
using OpenMosix.Protocol.V1;

namespace OpenMosix.Warden.Held;

/// <summary>
/// When the calls end with which threads came home: they go on natively, nobody is told when they do, and the kernel does not say how long they still
/// wait. So this is remembered until they would have ended. Any thread.
/// </summary>
internal sealed class Sleepers
{
    private readonly ConcurrentDictionary<int, long> deadlines = [];

    internal void Remember(ProcessImage image)
    {
        long now = ClockReader.Read().MonotonicNs;
        foreach ((int tid, long deadline) in deadlines)
            if (deadline <= now)
                deadlines.TryRemove(new(tid, deadline));
        foreach (ThreadImage thread in image.Threads)
        {
            if (thread.ResumedCall != 0 && thread.ResumedDeadlineNs is var deadline and < long.MaxValue && deadline > now)
                deadlines[thread.Tid] = deadline;
            else
                deadlines.TryRemove(thread.Tid, out _);
        }
    }

    /// <summary>On CLOCK_MONOTONIC; null: it came with none, or it is over.</summary>
    internal long? Deadline(int tid) => deadlines.TryGetValue(tid, out long deadline) && deadline > ClockReader.Read().MonotonicNs ? deadline : null;
}
