using OpenMosix.Daemon.Cluster;
using OpenMosix.Daemon.Tests.Fakes;
using OpenMosix.Protocol.V1;

namespace OpenMosix.Daemon.Tests.Cluster;

public sealed class MembershipTests
{
    private readonly ManualTime _time = new();
    private readonly Membership _members;

    public MembershipTests() => _members = new Membership(Info("pc1"), GossipTiming.Default, _time, new Random(1));

    [Fact]
    public void Merge_NewNode_IsAliveAndTold()
    {
        NodeStatus told = Assert.Single(_members.Merge([Info("pc2")]));
        Assert.True(told.Alive);
        Assert.Equal(["pc1", "pc2"], _members.Snapshot().Select(n => n.Info.Node));
    }

    [Fact]
    public void Merge_NewNodeThatNobodyHasHeard_IsKnownAndNotNewsUntilItIsHeard()
    {
        var admitting = new Membership(Info("pc3"), GossipTiming.Default, _time, new Random(2));
        admitting.Expect(Info("pc2"));
        Assert.Equal("pc3", Assert.Single(_members.Merge(admitting.Message().Nodes)).Info.Node);
        Assert.False(_members.Find("pc2")!.Alive);
        Assert.Null(_members.ProbeFailed("pc2"));
        Assert.Contains(_members.ChoosePeers(1), peer => peer.Node == "pc2");

        NodeStatus told = Assert.Single(_members.Merge([Info("pc2", sequence: 2)]));
        Assert.True(told is { Alive: true, Info.Node: "pc2" });
    }

    [Fact]
    public void Merge_DeadNodeAtAnotherAddress_IsNotNews()
    {
        Kill("pc2");
        NodeInfo late = Info("pc2", sequence: 2, address: "10.0.0.99");
        late.SilentMs = 60_000;
        Assert.Empty(_members.Merge([late]));
        Assert.Equal("10.0.0.99", _members.Find("pc2")!.Info.Address);
    }

    [Fact]
    public void Merge_OlderNews_ChangesNothing()
    {
        _members.Merge([Info("pc2", incarnation: 5, sequence: 7)]);
        Assert.Empty(_members.Merge([Info("pc2", incarnation: 5, sequence: 6, address: "10.0.0.99")]));
        Assert.Empty(_members.Merge([Info("pc2", incarnation: 4, sequence: 900, address: "10.0.0.99")]));
        Assert.Equal("10.0.0.1", _members.Find("pc2")!.Info.Address);
    }

    [Fact]
    public void Merge_LaterLifeAtAnotherAddress_IsTold()
    {
        _members.Merge([Info("pc2", incarnation: 5, sequence: 900)]);
        NodeStatus told = Assert.Single(_members.Merge([Info("pc2", incarnation: 6, sequence: 1, address: "10.0.0.99")]));
        Assert.Equal("10.0.0.99", told.Info.Address);
    }

    [Fact]
    public void ProbeFailed_SilentForLong_IsDead()
    {
        _members.Merge([Info("pc2")]);
        _time.Advance(GossipTiming.Default.DeadAfter - TimeSpan.FromMilliseconds(1));
        Assert.Null(_members.ProbeFailed("pc2"));
        _time.Advance(TimeSpan.FromMilliseconds(1));
        Assert.True(_members.Find("pc2")!.Alive); // silence alone kills nobody
        Assert.False(_members.ProbeFailed("pc2")!.Alive);
        Assert.Null(_members.ProbeFailed("pc2"));
        Assert.False(_members.Find("pc2")!.Alive);
        Assert.Contains(_members.Snapshot(), n => n.Info.Node == "pc2");
    }

    [Fact]
    public void Merge_DeadNodeHeardOf_IsBack()
    {
        Kill("pc2");
        Assert.True(Assert.Single(_members.Merge([Info("pc2", sequence: 2)])).Alive);
    }

    [Fact]
    public void Merge_OldNewsOfADeadNode_DoesNotRaiseIt()
    {
        Kill("pc2");
        NodeInfo late = Info("pc2", sequence: 2);
        late.SilentMs = 60_000;
        Assert.Empty(_members.Merge([late]));
        Assert.False(_members.Find("pc2")!.Alive);
    }

    [Fact]
    public void Message_OfADeadNode_DoesNotMakeItAliveElsewhere()
    {
        _members.Expect(Info("pc2"));
        var other = new Membership(Info("pc3"), GossipTiming.Default, _time, new Random(2));
        other.Merge(_members.Message().Nodes);
        Assert.True(other.Find("pc1")!.Alive);
        Assert.False(other.Find("pc2")!.Alive);
    }

    [Fact]
    public void Merge_SomebodyRemembersALaterLifeOfThisNode_OursWins()
    {
        _members.Merge([Info("pc1", incarnation: 1000, sequence: 3)]);
        Assert.Equal(1001UL, _members.Self.Incarnation);
        Assert.Equal("10.0.0.1", _members.Self.Address);
    }

    [Fact]
    public void Merge_WhatCannotBe_IsNotBelieved()
    {
        NodeInfo badName = Info("a/b"), badAddress = Info("pc2", address: "nowhere"), badPort = Info("pc3"), tooLong = Info("pc4"), badLoad = Info("pc5");
        badPort.DaemonPort = 0;
        tooLong.Version = new string('x', 5000);
        badLoad.Load = new Load { Load1 = double.NaN };
        Assert.Empty(_members.Merge([badName, badAddress, badPort, tooLong, badLoad]));
        Assert.Single(_members.Snapshot());
    }

    [Fact]
    public void Merge_FloodOfOneMessage_IsCutOff()
    {
        _members.Merge(Enumerable.Range(0, 10_000).Select(i => Info($"x{i}")));
        Assert.True(_members.Snapshot().Count <= Membership.MostPerMessage * 2 + 1);
    }

    [Fact]
    public void Message_LargeCluster_IsBoundedAndHasSelfFirst()
    {
        for (int i = 0; i < 100; i++)
            _members.Merge(Enumerable.Range(i * 10, 10).Select(n => Info($"x{n}")));
        GossipMessage message = _members.Message();
        Assert.Equal(Membership.MostPerMessage, message.Nodes.Count);
        Assert.Equal("pc1", message.Nodes[0].Node);
        Assert.Equal(message.Nodes.Count, message.Nodes.Select(n => n.Node).Distinct().Count());
    }

    [Fact]
    public void ChoosePeers_AliveSuspectAndDead_SomeOfEach()
    {
        Kill("pc2");
        _members.Merge([Info("pc3")]);
        _time.Advance(GossipTiming.Default.SuspectAfter);
        _members.Merge([Info("pc4"), Info("pc5"), Info("pc6")]);
        string[] chosen = [.. _members.ChoosePeers(2).Select(n => n.Node)];
        Assert.Equal(4, chosen.Length);
        Assert.Contains("pc3", chosen);
        Assert.Contains("pc2", chosen);
    }

    /// <summary>Rounds of push-pull between n nodes, as the loop does them: how fast news spread, and that nobody is lost.</summary>
    [Theory]
    [InlineData(3)]
    [InlineData(60)]
    [InlineData(200)]
    public void Gossip_ManyNodes_EveryoneLearnsOfEveryoneInFewRounds(int count)
    {
        var random = new Random(3);
        Membership[] nodes = [.. Enumerable.Range(0, count).Select(i => new Membership(Info($"n{i}"), GossipTiming.Default, _time, random))];
        foreach (Membership node in nodes[1..])
            node.Merge([nodes[0].Self]);
        int rounds = 0;
        while (nodes.Any(n => n.Snapshot().Count < count))
        {
            Assert.True(++rounds < 60, "not within a minute");
            _time.Advance(GossipTiming.Default.Period);
            foreach (Membership node in nodes)
            {
                node.UpdateSelf(_ => { });
                foreach (NodeInfo peer in node.ChoosePeers(2))
                {
                    Membership other = nodes[int.Parse(peer.Node[1..], System.Globalization.CultureInfo.InvariantCulture)];
                    other.Merge(node.Message().Nodes);
                    node.Merge(other.Message().Nodes);
                }
            }
        }
        Assert.All(nodes, n => Assert.All(n.Snapshot(), s => Assert.True(s.Alive)));
    }

    private void Kill(string node)
    {
        _members.Merge([Info(node)]);
        _time.Advance(GossipTiming.Default.DeadAfter);
        Assert.NotNull(_members.ProbeFailed(node));
    }

    private static NodeInfo Info(string node, ulong incarnation = 1, ulong sequence = 1, string address = "10.0.0.1") => new()
    {
        Node = node,
        Address = address,
        DaemonPort = 7946,
        LinkPort = 7947,
        Incarnation = incarnation,
        Sequence = sequence,
    };
}
