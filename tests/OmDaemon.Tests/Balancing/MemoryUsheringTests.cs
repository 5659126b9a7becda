using FsCheck;
using FsCheck.Fluent;
using OpenMosix.Daemon.Balancing;
using OpenMosix.Daemon.Migration;

namespace OpenMosix.Daemon.Tests.Balancing;

public sealed class MemoryUsheringTests
{
    private const ulong MiB = 1 << 20;
    private static readonly DateTimeOffset Now = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);

    [Theory]
    [InlineData(512, 200, 0, "rest")] // the mark of 512 MiB is 128 MiB
    [InlineData(512, 129, 0, "rest")]
    [InlineData(512, 127, 0, "send")]
    [InlineData(512, 200, 100, "send")] // grows by 100 MiB a second: 50 left by the time it matters
    [InlineData(512, 200, -100, "rest")]
    [InlineData(65536, 1100, 0, "rest")] // a large node does not keep a tenth free
    [InlineData(65536, 1000, 0, "send")]
    [InlineData(64, 17, 0, "rest")] // a tiny one a quarter
    [InlineData(64, 15, 0, "send")]
    public void Decide_AvailableAndGrowth_ActsInTime(int totalMiB, int availableMiB, int growthMiB, string expected)
    {
        UsherView view = View(totalMiB, availableMiB, [Process(1, 40)], [Node("b", 8192, 6000)]) with { GrowthPerSecond = growthMiB * (double)MiB };

        Assert.Equal(expected, MemoryUshering.Decide(view) is UsherDecision.Send ? "send" : "rest");
    }

    [Fact]
    public void Decide_SeveralProcesses_SendsTheSmallestThatIsEnough()
    {
        // 100 left of 512: relief is at 192, so 92 are needed.
        var send = Send(View(512, 100, [Process(1, 300), Process(2, 95), Process(3, 50)], [Node("b", 8192, 6000)]));

        Assert.Equal(2, send.Process.Id.Pid);
    }

    [Fact]
    public void Decide_NoneIsEnough_SendsTheLargest()
    {
        var send = Send(View(512, 20, [Process(1, 30), Process(2, 60), Process(3, 50)], [Node("b", 8192, 6000)]));

        Assert.Equal(2, send.Process.Id.Pid);
    }

    [Fact]
    public void Decide_SeveralNodes_SendsToTheOneWithMostRoom()
    {
        var send = Send(View(512, 100, [Process(1, 300)], [Node("b", 8192, 3000), Node("c", 8192, 5000), Node("d", 8192, 4000)]));

        Assert.Equal("c", send.Target);
    }

    [Fact]
    public void Decide_LargeOneFitsNowhere_SendsASmallerOne()
    {
        var send = Send(View(8192, 500, [Process(1, 5000), Process(2, 300)], [Node("b", 2048, 1000)]));

        Assert.Equal(2, send.Process.Id.Pid);
    }

    [Fact]
    public void Decide_MoveUnderWayFreesEnough_Rests()
    {
        UsherView view = View(512, 20, [Process(1, 300)], [Node("b", 8192, 6000)]) with { PendingFreeBytes = 300 * MiB };

        Assert.IsType<UsherDecision.Rest>(MemoryUshering.Decide(view));
    }

    [Fact]
    public void Decide_TargetDoesNotAccept_IsStuckAndSaysSo()
    {
        var stuck = Assert.IsType<UsherDecision.Stuck>(MemoryUshering.Decide(View(512, 100, [Process(1, 300)], [Node("b", 8192, 6000) with { Accepts = false }])));

        Assert.Contains("no node has room", stuck.Why, StringComparison.Ordinal);
    }

    [Fact]
    public void Decide_NewsOfTargetIsOld_IsStuck() =>
        Assert.IsType<UsherDecision.Stuck>(MemoryUshering.Decide(
            View(512, 100, [Process(1, 300)], [Node("b", 8192, 6000) with { MeasuredAt = Now - MemoryUshering.NewsAge - TimeSpan.FromSeconds(1) }])));

    [Fact]
    public void Decide_JustArrived_StaysUnlessCritical()
    {
        Candidate arrived = Process(1, 300) with { SettledAt = Now - TimeSpan.FromSeconds(2) };

        Assert.IsType<UsherDecision.Stuck>(MemoryUshering.Decide(View(512, 100, [arrived], [Node("b", 8192, 6000)])));
        Assert.IsType<UsherDecision.Send>(MemoryUshering.Decide(View(512, 20, [arrived], [Node("b", 8192, 6000)])));
    }

    [Fact]
    public void Decide_Refused_IsNotTriedAgainEvenWhenCritical() =>
        Assert.IsType<UsherDecision.Stuck>(MemoryUshering.Decide(
            View(512, 20, [Process(1, 300) with { NotBefore = Now + TimeSpan.FromSeconds(1) }], [Node("b", 8192, 6000)])));

    [Fact]
    public void Decide_Guest_GoesHomeOnly()
    {
        Candidate guest = Process(0, 300) with { Id = new CandidateId(0, 7), OnlyTo = "b" };

        Assert.Equal("b", Send(View(512, 20, [guest], [Node("b", 8192, 3000), Node("c", 8192, 6000)])).Target);
        Assert.IsType<UsherDecision.Stuck>(MemoryUshering.Decide(View(512, 20, [guest], [Node("c", 8192, 6000)])));
    }

    [Theory]
    [InlineData(9.9, "rest")]
    [InlineData(10, "send")]
    public void Decide_TasksStallForMemory_ActsEarlier(double percent, string expected)
    {
        UsherView view = View(512, 200, [Process(1, 300)], [Node("b", 8192, 6000)]);
        view = view with { Self = view.Self with { PressurePercent = percent } };

        Assert.Equal(expected, MemoryUshering.Decide(view) is UsherDecision.Send ? "send" : "rest");
    }

    /// <summary>Whatever the cluster looks like: what is sent fits, its target accepts and stays well above its own mark, so that it does not send it on.</summary>
    [Fact]
    public void Decide_AnyCluster_TargetNeverRunsShort() => Check.QuickThrowOnFailure(Prop.ForAll(Views(), view =>
    {
        if (MemoryUshering.Decide(view) is not UsherDecision.Send send)
            return true;
        NodeRoom target = view.Others.Single(node => node.Node == send.Target);
        ulong left = target.AvailableBytes - send.Process.FreesBytes - target.PromisedBytes;
        UsherDecision there = MemoryUshering.Decide(new UsherView(
            view.Now, target with { AvailableBytes = left, PressurePercent = 0 }, 0, 0, [view.Self], [send.Process with { SettledAt = null }]));
        return target.Accepts && left >= MemoryUshering.TargetMark(target.TotalBytes) && there is UsherDecision.Rest && send.Process.NotBefore <= view.Now;
    }));

    /// <summary>With more memory available the same node never acts where it rested with less.</summary>
    [Fact]
    public void Decide_MoreMemory_NeverActsWhereLessRested() => Check.QuickThrowOnFailure(Prop.ForAll(Views(), view =>
    {
        bool rested = MemoryUshering.Decide(view) is UsherDecision.Rest;
        UsherView more = view with { Self = view.Self with { AvailableBytes = view.Self.AvailableBytes + (10 * MiB) } };
        return !rested || MemoryUshering.Decide(more) is UsherDecision.Rest;
    }));

    /// <summary>Two nodes with the same process: the decisions of both, one after the other, do not send it back.</summary>
    [Fact]
    public void Decide_AfterAMove_DoesNotSendItBack() => Check.QuickThrowOnFailure(Prop.ForAll(Views(), view =>
    {
        if (MemoryUshering.Decide(view) is not UsherDecision.Send send)
            return true;
        NodeRoom target = view.Others.Single(node => node.Node == send.Target);
        var after = new UsherView(
            view.Now, target with { AvailableBytes = target.AvailableBytes - send.Process.FreesBytes, PressurePercent = 0 }, 0, 0,
            [view.Self with { AvailableBytes = view.Self.AvailableBytes + send.Process.FreesBytes }], [send.Process]);
        return MemoryUshering.Decide(after) is not UsherDecision.Send;
    }));

    [Fact]
    public void TargetMark_LeavesRoomForAdmissionsSlack() => Assert.True(MemoryUshering.TargetMark(512 * MiB) > TargetAdmission.SlackBytes);

    private static Arbitrary<UsherView> Views()
    {
        Gen<NodeRoom> node = from total in Gen.Choose(64, 65536)
                             from used in Gen.Choose(0, 100)
                             from accepts in Gen.Choose(0, 4)
                             from age in Gen.Choose(0, 30)
                             from promised in Gen.Choose(0, 500)
                             select new NodeRoom("?", (ulong)total * MiB, (ulong)total * MiB / 100 * (ulong)used, 0, accepts > 0, Now - TimeSpan.FromSeconds(age), (ulong)promised * MiB);
        Gen<Candidate> candidate = from bytes in Gen.Choose(0, 8192)
                                   from wait in Gen.Choose(-60, 60)
                                   from settled in Gen.Choose(-60, 60)
                                   select Process(1, bytes) with
                                   {
                                       NotBefore = Now + TimeSpan.FromSeconds(wait),
                                       SettledAt = settled < 0 ? Now + TimeSpan.FromSeconds(settled) : null,
                                   };
        Gen<UsherView> view = from self in node
                              from pressure in Gen.Choose(0, 30)
                              from growth in Gen.Choose(-200, 200)
                              from pending in Gen.Choose(0, 300)
                              from others in node.ListOf(5)
                              from candidates in candidate.ListOf(5)
                              select new UsherView(
                                  Now, self with { Node = "a", PressurePercent = pressure }, growth * (double)MiB, (ulong)pending * MiB,
                                  [.. others.Select((other, i) => other with { Node = $"n{i}" })],
                                  [.. candidates.Select((one, i) => one with { Id = new CandidateId(i + 1, 0) })]);
        return view.ToArbitrary();
    }

    private static UsherDecision.Send Send(UsherView view) => Assert.IsType<UsherDecision.Send>(MemoryUshering.Decide(view));

    private static UsherView View(int totalMiB, int availableMiB, Candidate[] processes, NodeRoom[] others) =>
        new(Now, Node("a", totalMiB, availableMiB), 0, 0, others, processes);

    private static NodeRoom Node(string name, int totalMiB, int availableMiB) =>
        new(name, (ulong)totalMiB * MiB, (ulong)availableMiB * MiB, 0, true, Now);

    private static Candidate Process(int pid, int mebibytes) =>
        new(new CandidateId(pid, 0), $"program ({pid})", (ulong)mebibytes * MiB, null, DateTimeOffset.MinValue, null);
}
