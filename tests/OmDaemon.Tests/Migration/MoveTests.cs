using OpenMosix.Daemon.Migration;
using OpenMosix.Protocol.Errors;

namespace OpenMosix.Daemon.Tests.Migration;

public sealed class MoveTests
{
    /// <summary>Every step of every kind of move, broken in every way.</summary>
    public static TheoryData<string, string, string, string> Breaks()
    {
        var data = new TheoryData<string, string, string, string>();
        void Add(string source, string target, string node, string step, params Fault[] faults)
        {
            foreach (Fault fault in faults)
                data.Add($"{source} {target}", node, step, fault.ToString());
        }
        foreach ((string source, string target) in new[] { ("home", "b"), ("b", "c"), ("b", "home") })
        {
            Add(source, target, source, "Freeze", Fault.Refused, Fault.LostBefore, Fault.LostAfter, Fault.Restarted);
            Add(source, target, source, "Snapshot", Fault.Refused, Fault.LostBefore, Fault.LostAfter, Fault.Restarted);
            Add(source, target, source, "Offer", Fault.Refused);
            Add(source, target, target, "Restore", Fault.Refused, Fault.LostBefore, Fault.LostAfter, Fault.Restarted);
            Add(source, target, target, "Pull", Fault.Refused);
            Add(source, target, target, "Finish", Fault.Refused, Fault.LostBefore, Fault.LostAfter, Fault.Restarted);
            Add(source, target, target, "Run", Fault.Refused, Fault.LostBefore, Fault.LostAfter, Fault.Restarted);
            Add(source, target, "home", "Expect", Fault.Refused, Fault.LostBefore, Fault.LostAfter, Fault.Restarted);
            foreach (string peer in new[] { source, target }.Where(node => node != "home"))
            {
                foreach (string step in peer == source ? new[] { "wire Freeze", "wire Snapshot" } : ["wire Restore", "wire Run"])
                    Add(source, target, peer, step, Fault.Refused, Fault.LostBefore, Fault.LostAfter);
            }
        }
        Add("home", "b", "home", "Deputize", Fault.Refused, Fault.LostBefore, Fault.LostAfter, Fault.Restarted);
        foreach (string step in new[] { "wire Restore", "wire Run" })
        {
            Add("home", "b", "b", step, Fault.Restarted);
            Add("b", "c", "c", step, Fault.Restarted);
        }
        Add("b", "c", "c", "Restore", Fault.HostRestarted);
        Add("b", "c", "c", "Finish", Fault.HostRestarted);
        Add("b", "c", "c", "Run", Fault.HostRestarted);
        Add("b", "home", "home", "Restore", Fault.HostRestarted);
        Add("b", "home", "home", "Finish", Fault.HostRestarted);
        Add("b", "home", "home", "Run", Fault.HostRestarted);
        Add("b", "c", "b", "wire Discard", Fault.LostBefore, Fault.LostAfter);
        Add("b", "home", "b", "wire Discard", Fault.LostBefore, Fault.LostAfter);
        return data;
    }

    [Theory]
    [MemberData(nameof(Breaks))]
    public async Task Conduct_BrokenAnywhere_LeavesOneBodyAndNothingPending(string route, string node, string step, string fault)
    {
        (string source, string target) = (route.Split(' ')[0], route.Split(' ')[1]);
        using var world = new World();
        uint epoch = 1;
        if (source != World.Home)
        {
            await world.BeginAwayAsync(source);
            epoch = 2;
        }
        world.Break(node, step, Enum.Parse<Fault>(fault));

        MoveOutcome outcome = await world.MoveAsync(source, target, epoch);
        await world.SettleAsync();

        Assert.True(world.WasHit(node, step), "the fault was never met: this case tests nothing");
        string at = world.BodyAt();
        Assert.Equal(outcome is MoveOutcome.Moved ? target : source, at);
        if (outcome is MoveOutcome.NotMoved stayed && at != World.Home)
            Assert.Equal(world.Wardens[at].Epoch, stayed.EpochInForce);
        if (outcome is MoveOutcome.Moved && at != World.Home)
            Assert.Equal(epoch, world.Wardens[at].Epoch);
    }

    [Theory]
    [MemberData(nameof(Breaks))]
    public async Task Conduct_AfterABrokenMove_TheNextOneSucceeds(string route, string node, string step, string fault)
    {
        (string source, string target) = (route.Split(' ')[0], route.Split(' ')[1]);
        using var world = new World();
        uint epoch = 1;
        if (source != World.Home)
        {
            await world.BeginAwayAsync(source);
            epoch = 2;
        }
        world.Break(node, step, Enum.Parse<Fault>(fault));
        MoveOutcome first = await world.MoveAsync(source, target, epoch);
        await world.SettleAsync();

        string from = world.BodyAt();
        string to = first is MoveOutcome.Moved || world.Dead.Contains(target) ? (from == "c" || target == "c" || world.Dead.Contains("c") ? "home" : "c") : target;
        if (from == to)
            return;
        uint inForce = from == World.Home ? 0 : world.Wardens[from].Epoch;
        MoveOutcome second = await world.MoveAsync(from, to, inForce + 1);
        await world.SettleAsync();

        Assert.True(second is MoveOutcome.Moved, (second as MoveOutcome.NotMoved)?.Failure.ToString());
        Assert.Equal(to, world.BodyAt());
    }

    [Theory]
    [InlineData("home", "b")]
    [InlineData("b", "c")]
    [InlineData("b", "home")]
    public async Task Conduct_NothingBroken_MovesAndCountsItsStages(string source, string target)
    {
        using var world = new World();
        uint epoch = 1;
        if (source != World.Home)
        {
            await world.BeginAwayAsync(source);
            epoch = 2;
        }

        MoveOutcome outcome = await world.MoveAsync(source, target, epoch);

        Assert.IsType<MoveOutcome.Moved>(outcome);
        Assert.Equal(target, world.BodyAt());
        Assert.Equal(1UL << 20, outcome.Times.Bytes);
        Assert.Equal(1UL, outcome.Times.FreezeUs);
        Assert.Equal(1000UL, outcome.Times.ShipUs);
    }

    [Fact]
    public async Task Conduct_TargetDiesAfterItsClaim_CountsAsMoved()
    {
        using var world = new World();
        world.Break("b", "wire Run", Fault.LostAfter);

        MoveOutcome outcome = await world.MoveAsync(World.Home, "b", 1);

        Assert.IsType<MoveOutcome.Moved>(outcome);
        Assert.Equal(Held.Deputy, world.Wardens[World.Home].State);
    }

    [Fact]
    public async Task Conduct_GivenUpBeforeCommit_StaysWhereItWas()
    {
        using var world = new World();

        MoveOutcome outcome = await world.MoveAsync(World.Home, "b", 1, givenUp: true);

        Assert.IsType<MoveOutcome.NotMoved>(outcome);
        Assert.Equal(World.Home, world.BodyAt());
    }

    [Fact]
    public async Task Conduct_HomeFallsSilentForGood_TargetGivesUpByItself()
    {
        using var world = new World();
        // Home's orders to undo are all lost: as if it had died.
        world.Break("b", "wire Run", Fault.LostBefore);
        world.Break("b", "wire Abort", Fault.LostBefore, times: 1000);

        MoveOutcome outcome = await world.MoveAsync(World.Home, "b", 1);
        Assert.Equal(Held.Ready, world.Wardens["b"].State);
        world.Time.Advance(MoveDeadlines.Lease);
        await Task.Delay(10, TestContext.Current.CancellationToken);

        Assert.IsType<MoveOutcome.NotMoved>(outcome);
        Assert.Equal(World.Home, world.BodyAt());
    }

    [Fact]
    public async Task Conduct_TargetFull_RefusesByNameBeforeAnythingIsBuilt()
    {
        using var world = new World();
        var image = World.Image();
        image.Extents[0].Bytes = 64UL << 30;

        Step<Protocol.V1.RestoreReply> step = await world.Nodes["b"].RestoreAsync(
            new() { Key = World.Key, Epoch = 1, Image = image, Source = World.Home }, World.Home, null, TestContext.Current.CancellationToken);

        Assert.Equal(Sureness.Refused, step.Sureness);
        Assert.Equal("target-memory", step.Failure!.Refusal.Name);
        Assert.Equal(Stage.Restore, step.Failure.Stage);
        Assert.Equal(Held.Nothing, world.Wardens["b"].State);
    }
}
