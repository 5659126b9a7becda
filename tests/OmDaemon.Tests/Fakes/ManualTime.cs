namespace OpenMosix.Daemon.Tests.Fakes;

/// <summary>Time that passes when the test says so. Timers fire in order, on the thread that advances.</summary>
internal sealed class ManualTime : TimeProvider
{
    private readonly Lock _lock = new();
    private readonly List<ManualTimer> _timers = [];
    private DateTimeOffset _now = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);

    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    public override DateTimeOffset GetUtcNow()
    {
        lock (_lock)
            return _now;
    }

    public override long GetTimestamp() => GetUtcNow().Ticks;

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        var timer = new ManualTimer(this, () => callback(state));
        timer.Change(dueTime, period);
        return timer;
    }

    public void Advance(TimeSpan by)
    {
        DateTimeOffset until = GetUtcNow() + by;
        while (true)
        {
            ManualTimer? next;
            lock (_lock)
            {
                next = _timers.Where(timer => timer.Due <= until).MinBy(timer => timer.Due);
                if (next is not null)
                {
                    _timers.Remove(next);
                    _now = next.Due > _now ? next.Due : _now;
                }
                else
                {
                    _now = until;
                }
            }
            if (next is null)
                return;
            next.Fire();
        }
    }

    /// <summary>Lets time pass until the task is done; fails the test if it never is.</summary>
    public async Task<T> RunAsync<T>(Task<T> task)
    {
        for (int round = 0; !task.IsCompleted; round++)
        {
            Assert.True(round < 100_000, "it does not end, however much time passes");
            await Task.WhenAny(task, Task.Delay(1));
            Advance(TimeSpan.FromMilliseconds(100));
        }
        return await task;
    }

    private sealed class ManualTimer(ManualTime time, Action fire) : ITimer
    {
        public DateTimeOffset Due { get; private set; }

        public bool Change(TimeSpan dueTime, TimeSpan period)
        {
            lock (time._lock)
            {
                time._timers.Remove(this);
                if (dueTime != Timeout.InfiniteTimeSpan)
                {
                    Due = time._now + dueTime;
                    time._timers.Add(this);
                }
            }
            return true;
        }

        public void Fire() => fire();

        public void Dispose() => Change(Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);

        public ValueTask DisposeAsync()
        {
            Dispose();
            return ValueTask.CompletedTask;
        }
    }
}
