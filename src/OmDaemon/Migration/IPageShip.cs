using OpenMosix.Daemon.Cluster;
using OpenMosix.Daemon.Ship;
using OpenMosix.Grpc;
using OpenMosix.Protocol.Errors;
using OpenMosix.Protocol.V1;

namespace OpenMosix.Daemon.Migration;

/// <summary>The Ship stage as a move uses it.</summary>
internal interface IPageShip
{
    /// <summary>From now until released, `target` may pull the pages of this move.</summary>
    Outcome Offer(ulong key, uint epoch, ProcessImage image, int memoryPid, string target);

    /// <summary>When it returns nothing reads the process any more.</summary>
    Task ReleaseAsync(ulong key);

    Task<Outcome<PullResult>> PullAsync(string source, ulong key, uint epoch, ProcessImage image, WardenRestoring restoring, CancellationToken cancellationToken);
}

internal sealed class PageShip(PageSource source, IPeerChannels peers) : IPageShip
{
    public Outcome Offer(ulong key, uint epoch, ProcessImage image, int memoryPid, string target) =>
        source.Register(key, epoch, image, memoryPid, target);

    public Task ReleaseAsync(ulong key) => source.ReleaseAsync(key);

    public Task<Outcome<PullResult>> PullAsync(
        string source, ulong key, uint epoch, ProcessImage image, WardenRestoring restoring, CancellationToken cancellationToken) =>
        peers.For(source) is { } channel
            ? PagePuller.PullAsync(channel, key, epoch, image, restoring, cancellationToken)
            : Task.FromResult<Outcome<PullResult>>(Failures.Broken(Stage.Ship, $"node {source}, which has the pages, cannot be reached"));
}
