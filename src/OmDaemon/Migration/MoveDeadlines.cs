using OpenMosix.Protocol.V1;

namespace OpenMosix.Daemon.Migration;

/// <summary>How long each step may take before it counts as unanswered. Generous: they end what hangs, they do not pace what works.</summary>
internal static class MoveDeadlines
{
    public static readonly TimeSpan Freeze = TimeSpan.FromSeconds(20);
    public static readonly TimeSpan Short = TimeSpan.FromSeconds(10);
    public static readonly TimeSpan Run = TimeSpan.FromSeconds(10);

    /// <summary>How long those of a group who stand wait for another of theirs: to be let go by another move, to be heard of, to end.</summary>
    public static readonly TimeSpan Standing = TimeSpan.FromSeconds(5);

    /// <summary>A hosting node undoes by itself what its home has not gone on with for so long: a body built and not run, a body frozen.</summary>
    public static readonly TimeSpan Lease = TimeSpan.FromSeconds(60);

    /// <summary>The hosting node's patience with a whole Return.</summary>
    public static readonly TimeSpan Return = TimeSpan.FromMinutes(10);

    private const double SlowestBytesPerSecond = 2 << 20;

    public static TimeSpan Restore(ProcessImage image) => Restore(MemoryNeed.Of(image));

    public static TimeSpan Restore(ulong bytes) => TimeSpan.FromSeconds(30 + bytes / SlowestBytesPerSecond);

    /// <returns>False: it did not end in that time, or the wait was given up.</returns>
    public static async Task<bool> WithinAsync(this Task awaited, TimeSpan deadline, TimeProvider time, CancellationToken cancellationToken)
    {
        await awaited.WaitAsync(deadline, time, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        return awaited.IsCompletedSuccessfully;
    }

    /// <param name="bytes">Of each that stands and is fetched one after the other.</param>
    public static TimeSpan FrozenLease(IEnumerable<ulong> bytes) => bytes.Aggregate(Lease, (sum, each) => sum + Restore(each));
}
