// How far another node's clocks are ahead of ours: a body goes on with those of its home, where its timers are. A reply is read after it was written, so
// that each exchange gives a lower bound, and the best of several is short of the truth by one quick way through the network: a body's clock is a little
// late and never early, and does not step back when it comes home.
using System.Collections.Concurrent;
using OpenMosix.Checkpoint;
using OpenMosix.Daemon.Cluster;
using OpenMosix.Grpc;
using OpenMosix.Protocol.V1;

namespace OpenMosix.Daemon.Migration;

internal sealed class HomeClocks(IPeerChannels channels, TimeProvider time)
{
    private const int Exchanges = 5;

    /// <summary>A move does not wait longer for a better clock; what is known from before, or the image's, will do.</summary>
    private static readonly TimeSpan Within = TimeSpan.FromSeconds(1);

    /// <summary>Two clocks drift apart by some ten microseconds a second.</summary>
    private static readonly TimeSpan GoodFor = TimeSpan.FromSeconds(10);

    private readonly ConcurrentDictionary<string, (ClockOffsets Ahead, long MeasuredAt)> _known = new();

    /// <summary>Null: the node has never answered.</summary>
    public async Task<ClockOffsets?> AheadAsync(string node, CancellationToken cancellationToken)
    {
        bool heardBefore = _known.TryGetValue(node, out (ClockOffsets Ahead, long MeasuredAt) known);
        if (heardBefore && time.GetElapsedTime(known.MeasuredAt) < GoodFor)
            return known.Ahead;
        ClockOffsets? best = null;
        try
        {
            for (int i = 0; i < Exchanges && channels.For(node) is { } channel; i++)
            {
                ClockOffsets there = await channel.CallAsync(MigrationCalls.Clock, new ClockRequest(), new CallOptions(Within), cancellationToken).ConfigureAwait(false);
                ClockOffsets here = ClockReader.Read();
                var ahead = new ClockOffsets { MonotonicNs = there.MonotonicNs - here.MonotonicNs, BoottimeNs = there.BoottimeNs - here.BoottimeNs };
                if (best is null || ahead.MonotonicNs > best.MonotonicNs)
                    best = ahead;
            }
        }
        catch (RpcException)
        {
            // What was heard so far, or before, is good enough.
        }
        if (best is null)
            return heardBefore ? known.Ahead : null;
        _known[node] = (best, time.GetTimestamp());
        return best;
    }
}
