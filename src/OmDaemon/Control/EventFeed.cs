// Watchers and what they wait for. Publishing copies nothing and blocks nobody: each watcher has its own bounded queue.
using System.Collections.Immutable;
using System.Runtime.CompilerServices;
using System.Threading.Channels;
using OpenMosix.Protocol.V1;

namespace OpenMosix.Daemon.Control;

internal sealed class EventFeed(TimeProvider time) : IEventFeed
{
    private const int QueueLength = 1024;
    private ImmutableList<Watcher> _watchers = [];

    public void Publish(WatchEvent happened, uint? ownerUid = null)
    {
        if (happened.TimeNs == 0)
            happened.TimeNs = (time.GetUtcNow() - DateTimeOffset.UnixEpoch).Ticks * 100;
        foreach (Watcher watcher in _watchers)
        {
            if (ownerUid is not { } uid || watcher.Caller.MaySee(uid))
                watcher.Queue.Writer.TryWrite(happened);
        }
    }

    public async IAsyncEnumerable<WatchEvent> FollowAsync(Caller caller, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var watcher = new Watcher(caller);
        ImmutableInterlocked.Update(ref _watchers, (all, one) => all.Add(one), watcher);
        try
        {
            await foreach (WatchEvent happened in watcher.Queue.Reader.ReadAllAsync(cancellationToken).ConfigureAwait(false))
            {
                if (watcher.TakeLost() is > 0 and var lost)
                    yield return new WatchEvent { TimeNs = happened.TimeNs, Kind = "lost", Text = $"{lost} events were lost: read too slowly" };
                yield return happened;
            }
        }
        finally
        {
            ImmutableInterlocked.Update(ref _watchers, (all, one) => all.Remove(one), watcher);
        }
    }

    private sealed class Watcher
    {
        private int _lost;

        public Watcher(Caller caller)
        {
            Caller = caller;
            Queue = Channel.CreateBounded<WatchEvent>(
                new BoundedChannelOptions(QueueLength) { FullMode = BoundedChannelFullMode.DropOldest, SingleReader = true },
                _ => Interlocked.Increment(ref _lost));
        }

        public Caller Caller { get; }
        public Channel<WatchEvent> Queue { get; }

        public int TakeLost() => Interlocked.Exchange(ref _lost, 0);
    }
}
