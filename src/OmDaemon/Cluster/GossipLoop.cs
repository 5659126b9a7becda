// Once a second, and at once when this node has entered a cluster: measure this node, then exchange what is known with a few nodes, all at once; every
// other second is left out while there is nothing new to tell. A node that has nothing to do for anybody is at rest after a while: it wakes every ten
// seconds, when work comes, and when somebody asks how the nodes are. A round ends
// within its second; who has not answered by then has not answered. Its channels are its own: one that failed is thrown
// away, so that a node which was cut off is reached again at once and not when TCP's retransmission timer feels like it.
using System.Collections.Concurrent;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using OpenMosix.Daemon.Hosting;
using OpenMosix.Grpc;
using OpenMosix.Protocol.V1;

namespace OpenMosix.Daemon.Cluster;

internal sealed partial class GossipLoop(
    ClusterView view, IClusterIdentity identity, IWork work, OptionsReload options, GossipTiming timing, TimeProvider time, ILogger<GossipLoop> log) : BackgroundService
{
    // Push-pull: one exchange begun and one answered a second, on average, however many nodes there are.
    private const int Fanout = 1;
    private const int SeedsAtOnce = 4;
    private const int SuspectsAtOnce = 16;

    private readonly ConcurrentDictionary<string, (IGrpcChannel Channel, NodeIdentity Identity)> _channels = new(StringComparer.Ordinal);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var entered = new SemaphoreSlim(0);
        void OnIdentity(NodeIdentity now) => entered.Release();
        identity.Changed += OnIdentity;
        try
        {
            await TellAsync(entered, stoppingToken).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
        }
        finally
        {
            identity.Changed -= OnIdentity;
            view.EndGossip();
            foreach (string target in _channels.Keys)
                Forget(target);
        }
    }

    private async Task TellAsync(SemaphoreSlim entered, CancellationToken stoppingToken)
    {
        Load? told = null;
        bool justTold = false;
        long activeAt = time.GetTimestamp();
        while (!stoppingToken.IsCancellationRequested)
        {
            Task began = work.Began;
            List<TaskCompletionSource> asked = Asked();
            view.MeasureSelf();
            bool news = LoadNews.IsNews(view.Self.Load, told);
            if (news || asked.Count > 0 || work.Any)
                activeAt = time.GetTimestamp();
            if (view.AtRest != time.GetElapsedTime(activeAt) >= timing.RestAfter)
            {
                view.AtRest = !view.AtRest;
                LogRest(view.AtRest ? "at rest" : "awake");
            }
            justTold = identity.Current is not null && (!justTold || news || asked.Count > 0 || view.AtRest);
            try
            {
                if (justTold)
                {
                    told = view.Self.Load;
                    await RoundAsync(identity.Current!, asked.Count > 0 ? SuspectsAtOnce : 1, stoppingToken).ConfigureAwait(false);
                }
            }
            finally
            {
                asked.ForEach(one => one.TrySetResult());
            }
            if (view.AtRest)
                await RestAsync(began, entered, stoppingToken).ConfigureAwait(false);
            else
                await entered.WaitAsync(timing.Period, stoppingToken).ConfigureAwait(false);
        }
    }

    private List<TaskCompletionSource> Asked()
    {
        var asked = new List<TaskCompletionSource>();
        while (view.Wanted.TryRead(out TaskCompletionSource? one))
            asked.Add(one);
        return asked;
    }

    /// <summary>Until the next round, or until there is something to do.</summary>
    private async Task RestAsync(Task began, SemaphoreSlim entered, CancellationToken stoppingToken)
    {
        using var woken = CancellationTokenSource.CreateLinkedTokenSource(stoppingToken);
        Task[] reasons = [began, view.Wanted.WaitToReadAsync(woken.Token).AsTask(), entered.WaitAsync(timing.RestPeriod, woken.Token)];
        await Task.WhenAny(reasons).ConfigureAwait(false);
        await woken.CancelAsync().ConfigureAwait(false);
        stoppingToken.ThrowIfCancellationRequested();
    }

    private async Task RoundAsync(NodeIdentity current, int suspects, CancellationToken stopping)
    {
        GossipMessage message = view.Membership.Message();
        var exchanges = new List<Task>();
        foreach (NodeInfo peer in view.Membership.ChoosePeers(Fanout, suspects))
            exchanges.Add(ExchangeAsync(peer.Node, new NodeAddress(peer.Address, (int)peer.DaemonPort), peer.Node, current, message, stopping));
        if (!view.Nodes.Any(n => n.Alive && n.Info.Node != view.Self.Node))
        {
            foreach (string seed in options.Current.Seeds.Take(SeedsAtOnce))
            {
                if (NodeAddress.TryParse(seed, DaemonOptions.DefaultDaemonPort, out NodeAddress? address))
                    exchanges.Add(ExchangeAsync(seed, address, null, current, message, stopping));
            }
        }
        await Task.WhenAll(exchanges).ConfigureAwait(false);
    }

    private async Task ExchangeAsync(
        string target, NodeAddress address, string? node, NodeIdentity current, GossipMessage message, CancellationToken stopping)
    {
        string key = $"{target} {address}";
        (IGrpcChannel channel, NodeIdentity madeWith) = _channels.GetOrAdd(key, _ => (Dial(address, node, current), current));
        if (!ReferenceEquals(madeWith, current))
        {
            Forget(key);
            (channel, _) = _channels.GetOrAdd(key, _ => (Dial(address, node, current), current));
        }
        try
        {
            GossipMessage answer = await channel.CallAsync(ClusterMethods.Gossip, message, timing.Patience, stopping).ConfigureAwait(false);
            if (node is null || answer.From == node)
                view.Merge(answer.Nodes);
        }
        catch (RpcException e)
        {
            Forget(key);
            LogNoAnswer(target, address, e.Status.Detail);
            if (node is not null)
                view.ProbeFailed(node);
        }
        catch (OperationCanceledException) when (stopping.IsCancellationRequested)
        {
        }
    }

    private static GrpcChannel Dial(NodeAddress address, string? node, NodeIdentity current) =>
        GrpcChannel.ForTls(address.Host, address.Port, new TlsTarget { Identity = current.Tls, ExpectedNode = node });

    private void Forget(string key)
    {
        if (_channels.TryRemove(key, out (IGrpcChannel Channel, NodeIdentity) gone))
            gone.Channel.Dispose();
    }

    [LoggerMessage(220, LogLevel.Debug, "no answer from {Target} at {Address}: {Why}")]
    private partial void LogNoAnswer(string target, NodeAddress address, string why);

    [LoggerMessage(221, LogLevel.Debug, "gossip is {How}")]
    private partial void LogRest(string how);
}
