namespace OpenMosix.Daemon.Balancing;

/// <summary>How fast memory in use grows: rises are taken over at once, falls slowly, so that a short pause does not hide a growing program.</summary>
internal sealed class Growth
{
    private const double FallWeight = 0.3;
    private static readonly TimeSpan Shortest = TimeSpan.FromMilliseconds(20);

    private (DateTimeOffset At, ulong Available)? _last;

    public double BytesPerSecond { get; private set; }

    public void Note(DateTimeOffset now, ulong availableBytes)
    {
        if (_last is { } last)
        {
            TimeSpan passed = now - last.At;
            if (passed < Shortest)
                return;
            double rate = ((double)last.Available - availableBytes) / passed.TotalSeconds;
            BytesPerSecond = rate > BytesPerSecond ? rate : (BytesPerSecond * (1 - FallWeight)) + (rate * FallWeight);
        }
        _last = (now, availableBytes);
    }
}
