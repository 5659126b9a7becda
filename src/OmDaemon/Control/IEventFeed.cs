using OpenMosix.Protocol.V1;

namespace OpenMosix.Daemon.Control;

/// <summary>What happens, as it happens, for those who watch. Publishing never blocks and costs nothing when nobody watches.</summary>
public interface IEventFeed
{
    /// <param name="happened">time_ns 0 is filled in.</param>
    /// <param name="ownerUid">Only this user and root see it; null: everyone.</param>
    void Publish(WatchEvent happened, uint? ownerUid = null);

    /// <summary>From now on, until cancelled. A watcher that does not read loses the oldest events, and is told how many.</summary>
    IAsyncEnumerable<WatchEvent> FollowAsync(Caller caller, CancellationToken cancellationToken);
}
