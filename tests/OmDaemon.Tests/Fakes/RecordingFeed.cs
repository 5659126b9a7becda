using System.Collections.Concurrent;
using OpenMosix.Daemon.Control;
using OpenMosix.Protocol.V1;

namespace OpenMosix.Daemon.Tests.Fakes;

internal sealed class RecordingFeed : IEventFeed
{
    public ConcurrentQueue<WatchEvent> Events { get; } = new();

    public void Publish(WatchEvent happened, uint? ownerUid = null) => Events.Enqueue(happened);

    public IAsyncEnumerable<WatchEvent> FollowAsync(Caller caller, CancellationToken cancellationToken) => throw new NotSupportedException();
}
