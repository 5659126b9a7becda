using OpenMosix.Daemon.Migration;
using OpenMosix.Protocol.V1;

namespace OpenMosix.Daemon.Tests.Migration;

public sealed class LocalNodeTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Lease_GuestFrozenAndForgottenByItsHome_IsThawed()
    {
        using World world = await FrozenAtBAsync();

        world.Time.Advance(MoveDeadlines.FrozenLease([MemoryNeed.Of(World.Image())]));

        Assert.Equal(Held.Remote, world.Wardens["b"].State);
        Assert.False(world.Ships["b"].Offered);
    }

    [Fact]
    public async Task Lease_GuestEndsByItself_EndsWithItAndItsPages()
    {
        using World world = await FrozenAtBAsync();
        world.Break("b", "Thaw", Fault.Refused);

        await world.Nodes["b"].EndedAsync(World.Key);
        world.Time.Advance(MoveDeadlines.FrozenLease([MemoryNeed.Of(World.Image())]));

        Assert.False(world.WasHit("b", "Thaw"), "the lease has undone what had ended");
        Assert.False(world.Ships["b"].Offered);
        Assert.Null(world.Guests["b"].Find(World.Key));
    }

    [Fact]
    public async Task Lease_WardenComesBackWithoutTheGuest_Ends()
    {
        using World world = await FrozenAtBAsync();
        world.Break("b", "Thaw", Fault.Refused);

        await world.Guests["b"].WardenConnectedAsync(new WardenStatusReply(), Cancellation);
        world.Time.Advance(MoveDeadlines.FrozenLease([MemoryNeed.Of(World.Image())]));

        Assert.False(world.WasHit("b", "Thaw"), "the lease has undone what had ended");
    }

    [Fact]
    public async Task Freeze_GuestEndedBeforeTheAnswer_IsRefusedAndNothingIsOffered()
    {
        using var world = new World();
        await world.BeginAwayAsync("b");
        world.Guests["b"].Remove(World.Key);

        Step<FreezeReply> step = await world.Nodes["b"].FreezeAsync(new FreezeRequest { Key = World.Key, Epoch = 2, Target = "c" }, 0, Cancellation);

        Assert.Equal(Sureness.Refused, step.Sureness);
        Assert.False(world.Ships["b"].Offered);
    }

    [Fact]
    public async Task WardenLost_WhilePagesArePulled_RestoreIsRefusedAtOnce()
    {
        using var world = new World();
        world.Break("b", "Pull", Fault.Hangs);
        Task<Step<RestoreReply>> restore = world.Nodes["b"].RestoreAsync(
            new RestoreRequest { Key = World.Key, Epoch = 1, Image = World.Image(), Source = World.Home }, World.Home, null, Cancellation);
        Assert.Equal(Held.Restoring, world.Wardens["b"].State);

        await world.Nodes["b"].WardenLostAsync(Cancellation);

        Assert.Equal(Sureness.Refused, (await restore.WaitAsync(Cancellation)).Sureness);
        Assert.Equal(Held.Nothing, world.Wardens["b"].State);
    }

    [Fact]
    public async Task Abort_OfAnEarlierAttempt_LeavesTheNextOneAlone()
    {
        using var world = new World();
        world.Break("b", "Pull", Fault.Hangs);
        Task<Step<RestoreReply>> restore = world.Nodes["b"].RestoreAsync(
            new RestoreRequest { Key = World.Key, Epoch = 3, Image = World.Image(), Source = World.Home }, World.Home, null, Cancellation);

        Step<MoveReply> late = await world.Nodes["b"].AbortAsync(new KeyRequest { Key = World.Key, Epoch = 2 }, Cancellation).WaitAsync(Cancellation);

        Assert.True(late.Ok);
        Assert.False(restore.IsCompleted);
        Assert.Equal(Held.Restoring, world.Wardens["b"].State);
        await world.Nodes["b"].AbortAsync(new KeyRequest { Key = World.Key, Epoch = 3 }, Cancellation);
        Assert.False((await restore.WaitAsync(Cancellation)).Ok);
        Assert.Equal(Held.Nothing, world.Wardens["b"].State);
    }

    private static async Task<World> FrozenAtBAsync()
    {
        var world = new World();
        await world.BeginAwayAsync("b");
        Step<FreezeReply> frozen = await world.Nodes["b"].FreezeAsync(new FreezeRequest { Key = World.Key, Epoch = 2, Target = "c" }, 0, Cancellation);
        Step<SnapshotReply> described = await world.Nodes["b"].SnapshotAsync(new SnapshotRequest { Key = World.Key, Epoch = 2, Target = "c" }, 0, Cancellation);
        Assert.True(frozen.Ok && described.Ok && world.Ships["b"].Offered);
        return world;
    }
}
