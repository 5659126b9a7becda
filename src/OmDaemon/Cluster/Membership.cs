// Who is in the cluster, as far as this node can tell: the state behind the gossip, without network or timers. Each node counts its own
// (incarnation, sequence) up; anyone may pass the newest on, with its age. A node nobody has heard of for a while is suspected: it is dialled
// directly, and called dead when that fails too. So a big cluster, in which news travels slowly, declares nobody dead by mistake.
// Thread-safe (one lock, no I/O below it). NodeInfo objects in here are never modified, only replaced.
using OpenMosix.Protocol.V1;

namespace OpenMosix.Daemon.Cluster;

internal sealed class Membership
{
    /// <summary>Most entries of one message: what bounds a node's cost, however large the cluster is.</summary>
    public const int MostPerMessage = 48;

    private readonly Lock _lock = new();
    private readonly Dictionary<string, Member> _members = new(StringComparer.Ordinal);
    private readonly TimeProvider _time;
    private readonly Random _random;
    private readonly GossipTiming _timing;
    private NodeInfo _self;

    public Membership(NodeInfo self, GossipTiming timing, TimeProvider time, Random random)
    {
        _self = self;
        _timing = timing;
        _time = time;
        _random = random;
    }

    public NodeInfo Self
    {
        get
        {
            lock (_lock)
                return _self;
        }
    }

    /// <summary>Changes what this node says of itself; counts the sequence up.</summary>
    public NodeInfo UpdateSelf(Action<NodeInfo> change)
    {
        lock (_lock)
        {
            NodeInfo next = _self.Clone();
            change(next);
            next.Sequence++;
            return _self = next;
        }
    }

    /// <summary>Nodes known from an earlier life: down until heard of.</summary>
    public void Remember(IEnumerable<NodeInfo> nodes)
    {
        lock (_lock)
        {
            foreach (NodeInfo info in nodes)
            {
                if (info.Node != _self.Node && NodeInfoRules.Fault(info) is null)
                    _members.TryAdd(info.Node, new Member(info) { HeardAt = _time.GetTimestamp(), Alive = false });
            }
        }
    }

    /// <summary>A node that was just admitted: down until heard of, which is within a round.</summary>
    public void Expect(NodeInfo info)
    {
        lock (_lock)
        {
            if (info.Node == _self.Node || NodeInfoRules.Fault(info) is not null || (_members.Count >= NodeInfoRules.MostNodes && !_members.ContainsKey(info.Node)))
                return;
            _members[info.Node] = new Member(info) { HeardAt = _time.GetTimestamp(), Alive = false };
        }
    }

    /// <summary>
    /// Takes in what a peer said. Returns the living nodes that are new, came back, or moved to another address. One that nobody has heard for a
    /// while (it was admitted a moment ago, or is long gone) is known from now on, and news when it is heard.
    /// </summary>
    public IReadOnlyList<NodeStatus> Merge(IEnumerable<NodeInfo> nodes)
    {
        var changed = new List<NodeStatus>();
        lock (_lock)
        {
            foreach (NodeInfo said in nodes.Take(MostPerMessage * 2))
            {
                if (NodeInfoRules.Fault(said) is not null)
                    continue;
                if (said.Node == _self.Node)
                    Refute(said);
                else if (MergeOne(said) is { } member)
                    changed.Add(Status(member));
            }
        }
        return changed;
    }

    /// <summary>A direct dial failed. Returns the node if that makes it dead.</summary>
    public NodeStatus? ProbeFailed(string node)
    {
        lock (_lock)
        {
            if (!_members.TryGetValue(node, out Member? member) || !member.Alive || Silence(member) < _timing.DeadAfter)
                return null;
            member.Alive = false;
            return Status(member);
        }
    }

    /// <summary>Whom to gossip with now: up to `fanout` live nodes at random, as many suspects as said, one that is down (it may be back).</summary>
    public IReadOnlyList<NodeInfo> ChoosePeers(int fanout, int suspects = 1)
    {
        lock (_lock)
        {
            var chosen = new List<NodeInfo>();
            Pick(m => m.Alive && Silence(m) < _timing.SuspectAfter, fanout, chosen);
            Pick(m => m.Alive && Silence(m) >= _timing.SuspectAfter, suspects, chosen);
            Pick(m => !m.Alive, 1, chosen);
            return chosen;
        }
    }

    /// <summary>This node, the entries heard of last (news), and others at random, within the bound.</summary>
    public GossipMessage Message()
    {
        lock (_lock)
        {
            var message = new GossipMessage { From = _self.Node };
            message.Nodes.Add(_self);
            Member[] members = [.. _members.Values];
            if (members.Length >= MostPerMessage)
            {
                _random.Shuffle(members);
                int news = MostPerMessage / 2;
                members = [.. members.Take(MostPerMessage - 1 - news), .. members.Skip(MostPerMessage - 1 - news).OrderByDescending(m => m.HeardAt).Take(news)];
            }
            foreach (Member member in members)
            {
                NodeInfo aged = member.Info.Clone();
                // One that is down here is not news to anyone: it must not look alive because its silence is short so far.
                TimeSpan silence = member.Alive || Silence(member) > _timing.DeadAfter ? Silence(member) : _timing.DeadAfter;
                aged.SilentMs = (uint)Math.Min(silence.TotalMilliseconds, uint.MaxValue);
                message.Nodes.Add(aged);
            }
            return message;
        }
    }

    public IReadOnlyList<NodeStatus> Snapshot()
    {
        lock (_lock)
        {
            return [.. _members.Values.Select(Status).Append(new NodeStatus { Info = _self, Alive = true }).OrderBy(s => s.Info.Node, StringComparer.Ordinal)];
        }
    }

    public NodeStatus? Find(string node)
    {
        lock (_lock)
        {
            if (node == _self.Node)
                return new NodeStatus { Info = _self, Alive = true };
            return _members.TryGetValue(node, out Member? member) ? Status(member) : null;
        }
    }

    // Somebody remembers a later life of this node than ours: the clock went back, or the node lies. Ours must win.
    private void Refute(NodeInfo said)
    {
        if (said.Incarnation <= _self.Incarnation)
            return;
        NodeInfo next = _self.Clone();
        next.Incarnation = said.Incarnation == ulong.MaxValue ? said.Incarnation : said.Incarnation + 1;
        next.Sequence++;
        _self = next;
    }

    private Member? MergeOne(NodeInfo said)
    {
        long heardAt = _time.GetTimestamp() - (long)(said.SilentMs / 1000.0 * _time.TimestampFrequency);
        NodeInfo kept = said;
        if (said.SilentMs != 0)
        {
            kept = said.Clone();
            kept.SilentMs = 0;
        }
        if (!_members.TryGetValue(said.Node, out Member? member))
        {
            if (_members.Count >= NodeInfoRules.MostNodes)
                return null;
            member = new Member(kept) { HeardAt = heardAt };
            member.Alive = Silence(member) < _timing.DeadAfter;
            _members.Add(said.Node, member);
            return member.Alive ? member : null;
        }
        if (!NodeInfoRules.IsNewer(said, member.Info))
            return null;

        bool moved = said.Address != member.Info.Address || said.DaemonPort != member.Info.DaemonPort || said.LinkPort != member.Info.LinkPort;
        // What it held in its last life is gone, or was found again: those who have something there must look.
        bool reborn = said.Incarnation != member.Info.Incarnation;
        member.Info = kept;
        member.HeardAt = Math.Max(member.HeardAt, heardAt);
        bool back = !member.Alive && Silence(member) < _timing.DeadAfter;
        if (back)
            member.Alive = true;
        return member.Alive && (back || moved || reborn) ? member : null;
    }

    private void Pick(Func<Member, bool> which, int most, List<NodeInfo> chosen)
    {
        Member[] candidates = [.. _members.Values.Where(which)];
        _random.Shuffle(candidates);
        chosen.AddRange(candidates.Take(most).Select(m => m.Info));
    }

    private TimeSpan Silence(Member member) => _time.GetElapsedTime(member.HeardAt);

    private NodeStatus Status(Member member) =>
        new() { Info = member.Info, Alive = member.Alive, SilentMs = (ulong)Math.Max(0, Silence(member).TotalMilliseconds) };

    private sealed class Member(NodeInfo info)
    {
        public NodeInfo Info { get; set; } = info;
        public long HeardAt { get; set; }
        public bool Alive { get; set; }
    }
}
