// The membership as the rest of the daemon sees it: events, the log, the file, the feed. Everything that changes the membership goes
// through here.
using System.Threading.Channels;
using Microsoft.Extensions.Logging;
using OpenMosix.Daemon.Control;
using OpenMosix.Daemon.Hosting;
using OpenMosix.Protocol.V1;

namespace OpenMosix.Daemon.Cluster;

internal sealed partial class ClusterView : IClusterView
{
    private readonly MemberFile _file;
    private readonly ILoadReader _load;
    private readonly IEventFeed _feed;
    private readonly ILogger<ClusterView> _log;
    private readonly TimeProvider _time;
    private readonly GossipTiming _timing;
    private readonly Channel<TaskCompletionSource> _wanted = Channel.CreateUnbounded<TaskCompletionSource>();

    public ClusterView(
        DaemonOptions options, ILoadReader load, MemberFile file, IEventFeed feed, OptionsReload reload, GossipTiming timing, TimeProvider time, ILogger<ClusterView> log)
    {
        _file = file;
        _load = load;
        _feed = feed;
        _log = log;
        _time = time;
        _timing = timing;
        Membership = new Membership(SelfInfo.Make(options, load, time), timing, time, Random.Shared);
        Membership.Remember(file.Read());
        reload.Changed += changed => Membership.UpdateSelf(self => self.Accepts = changed.Accepts);
    }

    public Membership Membership { get; }

    public NodeInfo Self => Membership.Self;

    public IReadOnlyList<NodeStatus> Nodes => Membership.Snapshot();

    public event Action<NodeStatus>? NodeChanged;

    public NodeStatus? Find(string node) => Membership.Find(node);

    /// <summary>Who wants to hear of the nodes now; the gossip completes each after its next round.</summary>
    internal ChannelReader<TaskCompletionSource> Wanted => _wanted.Reader;

    /// <summary>Set by the gossip: nothing is asked or told but once in a while.</summary>
    internal bool AtRest { get; set; }

    public async Task RefreshAsync(CancellationToken cancellationToken)
    {
        if (!AtRest)
            return;
        var asked = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        if (_wanted.Writer.TryWrite(asked))
            await asked.Task.WaitAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <summary>The gossip has ended: nobody is asked any more.</summary>
    internal void EndGossip()
    {
        _wanted.Writer.TryComplete();
        while (_wanted.Reader.TryRead(out TaskCompletionSource? asked))
            asked.TrySetResult();
    }

    /// <summary>Before this node says how it is: unless that was measured a moment ago.</summary>
    public void MeasureSelfIfOld()
    {
        long now = (_time.GetUtcNow() - DateTimeOffset.UnixEpoch).Ticks * 100;
        if (Math.Abs(now - Self.Load.MeasuredNs) > _timing.Period.Ticks * 100)
            MeasureSelf();
    }

    public void MeasureSelf() => Membership.UpdateSelf(self => self.Load = _load.Read());

    public void Merge(IEnumerable<NodeInfo> nodes)
    {
        IReadOnlyList<NodeStatus> changed = Membership.Merge(nodes);
        foreach (NodeStatus node in changed)
            Tell(node);
        if (changed.Count > 0)
            Keep();
    }

    public void Expect(NodeInfo admitted)
    {
        Membership.Expect(admitted);
        Keep();
    }

    public void ProbeFailed(string node)
    {
        if (Membership.ProbeFailed(node) is { } dead)
            Tell(dead);
    }

    private void Keep()
    {
        try
        {
            _file.Write(Membership.Snapshot().Where(n => n.Info.Node != Self.Node).Select(n => n.Info));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            LogNotKept(e.Message);
        }
    }

    private void Tell(NodeStatus node)
    {
        if (node.Alive)
            LogUp(node.Info.Node, node.Info.Address, node.Info.DaemonPort);
        else
            LogDown(node.Info.Node, node.SilentMs);
        _feed.Publish(new WatchEvent
        {
            Kind = node.Alive ? "node-up" : "node-down",
            Text = node.Alive ? $"{node.Info.Node} is up at {node.Info.Address}" : $"{node.Info.Node} is down: silent for {node.SilentMs / 1000.0:F1} s",
            From = node.Info.Node,
        });
        NodeChanged?.Invoke(node);
    }

    [LoggerMessage(210, LogLevel.Information, "node {Node} is up at {Address} port {Port}")]
    private partial void LogUp(string node, string address, uint port);

    [LoggerMessage(211, LogLevel.Warning, "node {Node} is down: silent for {SilentMs} ms, and does not answer")]
    private partial void LogDown(string node, ulong silentMs);

    [LoggerMessage(212, LogLevel.Error, "the list of members could not be written: {Why}")]
    private partial void LogNotKept(string why);
}
