using OpenMosix.Daemon.Migration;
using OpenMosix.Protocol.Errors;
using OpenMosix.Protocol.V1;

namespace OpenMosix.Daemon.Tests.Migration;

/// <summary>Three processes that share memory: wherever their move breaks, they are in one place afterwards.</summary>
public sealed class GroupMoveTests
{
    private const int Members = 3;

    /// <summary>Every step of every kind of move, broken in every way, for the leader, another, and the last.</summary>
    public static TheoryData<string, string, string, string, int> Breaks()
    {
        var data = new TheoryData<string, string, string, string, int>();
        foreach (var row in MoveTests.Breaks())
        {
            (string route, string node, string step, string fault) = row.Data;
            // A node that dies when the others are told to run dies with all of them: they have run with their leader.
            bool dies = step == "wire Run" && fault == nameof(Fault.Restarted);
            for (int member = 0; member < (dies ? 1 : Members); member++)
                data.Add(route, node, step, fault, member);
        }
        return data;
    }

    [Theory]
    [MemberData(nameof(Breaks))]
    public async Task Conduct_BrokenAnywhere_LeavesAllInOnePlace(string route, string node, string step, string fault, int member)
    {
        (string source, string target) = (route.Split(' ')[0], route.Split(' ')[1]);
        using var world = new World();
        uint epoch = await BeginAsync(world, source);
        ulong key = World.Keys[member];
        world.Break(node, step, Enum.Parse<Fault>(fault), key: key);

        IReadOnlyList<MoveOutcome> outcomes = await world.MoveGroupAsync(source, target, epoch, Members);
        await world.SettleAsync();

        Assert.True(world.WasHit(node, step, key), "the fault was never met: this case tests nothing");
        Assert.Single(outcomes.Select(outcome => outcome.GetType()).Distinct());
        for (int i = 0; i < Members; i++)
        {
            string at = world.BodyAt(World.Keys[i]);
            Assert.Equal(outcomes[i] is MoveOutcome.Moved ? target : source, at);
            if (outcomes[i] is MoveOutcome.NotMoved stayed && at != World.Home)
                Assert.Equal(world.Wardens[at][World.Keys[i]].Epoch, stayed.EpochInForce);
        }
    }

    [Theory]
    [MemberData(nameof(Breaks))]
    public async Task Conduct_AfterABrokenMove_TheNextOneSucceeds(string route, string node, string step, string fault, int member)
    {
        (string source, string target) = (route.Split(' ')[0], route.Split(' ')[1]);
        using var world = new World();
        uint epoch = await BeginAsync(world, source);
        world.Break(node, step, Enum.Parse<Fault>(fault), key: World.Keys[member]);
        MoveOutcome first = (await world.MoveGroupAsync(source, target, epoch, Members))[0];
        await world.SettleAsync();

        string from = world.BodyAt();
        string to = first is MoveOutcome.Moved || world.Dead.Contains(target) ? (from == "c" || target == "c" || world.Dead.Contains("c") ? "home" : "c") : target;
        if (from == to)
            return;
        // Each has its own: what was fenced for one of them was not for another.
        uint inForce = from == World.Home ? 0 : World.Keys.Max(one => world.Wardens[from][one].Epoch);
        IReadOnlyList<MoveOutcome> second = await world.MoveGroupAsync(from, to, inForce + 1, Members);
        await world.SettleAsync();

        Assert.All(second, outcome => Assert.True(outcome is MoveOutcome.Moved, (outcome as MoveOutcome.NotMoved)?.Failure.ToString()));
        Assert.All(World.Keys, key => Assert.Equal(to, world.BodyAt(key)));
    }

    [Theory]
    [InlineData("home", "b")]
    [InlineData("b", "c")]
    [InlineData("b", "home")]
    public async Task Conduct_NothingBroken_MemoryComesOnceWithTheFirst(string source, string target)
    {
        using var world = new World();
        uint epoch = await BeginAsync(world, source);
        world.Restored.Clear();
        world.Described.Clear();

        IReadOnlyList<MoveOutcome> outcomes = await world.MoveGroupAsync(source, target, epoch, Members);

        Assert.All(outcomes, outcome => Assert.IsType<MoveOutcome.Moved>(outcome));
        Assert.All(World.Keys, key => Assert.Equal(target, world.BodyAt(key)));
        Assert.Equal(World.Keys, world.Restored.Select(restore => restore.Key));
        Assert.Equal([0, World.Key, World.Key], world.Restored.Select(restore => restore.Beside));
        Assert.Equal([false, true, true], world.Restored.Select(restore => restore.Image.Files[0].Held));
        Assert.Equal([1, 0, 0], world.Restored.Select(restore => restore.Image.Files[0].Ranges.Count));
        // What there is of memory is true only when all others who may write it stand.
        Assert.Equal(World.Key, world.Described[^1]);
    }

    [Theory]
    [InlineData("home", "b")]
    [InlineData("b", "c")]
    [InlineData("b", "home")]
    public async Task Conduct_MemoryMayNotCome_AllGoOnWhereTheyWere(string source, string target)
    {
        using var world = new World();
        uint epoch = await BeginAsync(world, source);
        world.Restored.Clear();
        GroupLook look = World.Looks(World.Sight() with { Unshared = Failures.Broken(Stage.Freeze, "one is elsewhere") });

        IReadOnlyList<MoveOutcome> outcomes = await world.MoveGroupAsync(source, target, epoch, Members, look: look);
        await world.SettleAsync();

        Assert.All(outcomes, outcome => Assert.Equal("one is elsewhere", Assert.IsType<MoveOutcome.NotMoved>(outcome).Failure.Message));
        Assert.Empty(world.Restored);
        Assert.All(World.Keys, key => Assert.Equal(source, world.BodyAt(key)));
    }

    /// <summary>The second and the third are seen when who was known stands, both at once or one after the other.</summary>
    [Theory]
    [InlineData("home", "b", false)]
    [InlineData("home", "b", true)]
    [InlineData("b", "c", true)]
    [InlineData("b", "home", true)]
    public async Task Conduct_OthersJoinMeanwhile_AllMove(string source, string target, bool inTwoRounds)
    {
        using var world = new World();
        uint epoch = await BeginAsync(world, source);
        world.Frozen.Clear();
        world.Described.Clear();
        MoveOrder[] others = [.. World.Keys.Skip(1).Select(key => world.OrderOf(key, source, target, epoch))];
        GroupLook look = inTwoRounds ? World.Looks(World.Sight(others[0]), World.Sight(others[1]), World.Sight()) : World.Looks(World.Sight(others), World.Sight());

        IReadOnlyList<MoveOutcome> outcomes = await world.MoveGroupAsync(source, target, epoch, 1, look: look);

        Assert.Equal(Members, outcomes.Count);
        Assert.All(outcomes, outcome => Assert.IsType<MoveOutcome.Moved>(outcome));
        Assert.All(World.Keys, key => Assert.Equal(target, world.BodyAt(key)));
        Assert.Equal(World.Keys, world.Frozen);
        Assert.Equal(World.Keys.Reverse(), world.Described);
    }

    /// <summary>Every step broken for one that has joined when the others stood.</summary>
    [Theory]
    [MemberData(nameof(MoveTests.Breaks), MemberType = typeof(MoveTests))]
    public async Task Conduct_BrokenForOneThatJoined_LeavesAllInOnePlace(string route, string node, string step, string fault)
    {
        (string source, string target) = (route.Split(' ')[0], route.Split(' ')[1]);
        if (step == "wire Run" && fault == nameof(Fault.Restarted))
            return; // a node that dies when the others are told to run dies with all of them
        using var world = new World();
        uint epoch = await BeginAsync(world, source);
        ulong joined = World.Keys[^1];
        world.Break(node, step, Enum.Parse<Fault>(fault), key: joined);

        IReadOnlyList<MoveOutcome> outcomes = await world.MoveGroupAsync(
            source, target, epoch, Members - 1, look: World.Looks(World.Sight(world.OrderOf(joined, source, target, epoch)), World.Sight()));
        await world.SettleAsync();

        Assert.True(world.WasHit(node, step, joined), "the fault was never met: this case tests nothing");
        Assert.Equal(Members, outcomes.Count);
        Assert.Single(outcomes.Select(outcome => outcome.GetType()).Distinct());
        Assert.All(World.Keys, key => Assert.Equal(outcomes[0] is MoveOutcome.Moved ? target : source, world.BodyAt(key)));
    }

    /// <summary>It stood already, and goes on where it was.</summary>
    [Theory]
    [InlineData("home", "b")]
    [InlineData("b", "c")]
    [InlineData("b", "home")]
    public async Task Conduct_OneSharesNothingAnyMore_TheOthersMoveWithoutIt(string source, string target)
    {
        using var world = new World();
        uint epoch = await BeginAsync(world, source);
        GroupLook look = World.Looks(World.Sight() with { Left = new HashSet<ulong> { World.Keys[1] } });

        IReadOnlyList<MoveOutcome> outcomes = await world.MoveGroupAsync(source, target, epoch, Members, look: look);
        await world.SettleAsync();

        Assert.Equal([typeof(MoveOutcome.Moved), typeof(MoveOutcome.Left), typeof(MoveOutcome.Moved)], outcomes.Select(outcome => outcome.GetType()));
        Assert.Equal([target, source, target], World.Keys.Select(world.BodyAt));
    }

    [Theory]
    [InlineData("home", "b")]
    [InlineData("b", "c")]
    public async Task Conduct_OneHasEndedMeanwhile_TheOthersMove(string source, string target)
    {
        using var world = new World();
        uint epoch = await BeginAsync(world, source);
        ulong gone = World.Keys[1];
        world.End(gone);
        IReadOnlySet<ulong> ended = new HashSet<ulong>();
        GroupLook look = (unfrozen, _) =>
        {
            ended = unfrozen;
            return Task.FromResult<Outcome<GroupSight>>(World.Sight() with { Left = new HashSet<ulong> { gone } });
        };

        IReadOnlyList<MoveOutcome> outcomes = await world.MoveGroupAsync(source, target, epoch, Members, look: look);
        await world.SettleAsync();

        Assert.Equal([gone], ended);
        Assert.Equal([typeof(MoveOutcome.Moved), typeof(MoveOutcome.Left), typeof(MoveOutcome.Moved)], outcomes.Select(outcome => outcome.GetType()));
        Assert.All(World.Keys.Where(key => key != gone), key => Assert.Equal(target, world.BodyAt(key)));
    }

    /// <summary>At home all are told of it before the look that counts; elsewhere it is known by its name.</summary>
    [Theory]
    [InlineData("home", "b", 2)]
    [InlineData("b", "c", 1)]
    public async Task Conduct_MemoryIsNewMeanwhile_AllAreToldAndMove(string source, string target, int times)
    {
        using var world = new World();
        uint epoch = await BeginAsync(world, source);
        world.Told.Clear();
        var memory = new SharedMemory { Device = 1, Inode = 99 };

        IReadOnlyList<MoveOutcome> outcomes = await world.MoveGroupAsync(source, target, epoch, Members, look: World.Looks(World.Sight() with { Memory = [memory] }));

        Assert.All(outcomes, outcome => Assert.IsType<MoveOutcome.Moved>(outcome));
        Assert.Equal(times * Members, world.Told.Count);
        Assert.All(world.Told.Skip(Members), told => Assert.Equal([memory], told));
    }

    [Fact]
    public async Task Conduct_MemoryIsNewEachTime_IsGivenUpAndAllGoOn()
    {
        using var world = new World();
        ulong looks = 0;
        GroupLook look = (_, _) => Task.FromResult<Outcome<GroupSight>>(World.Sight() with { Memory = [new SharedMemory { Device = 1, Inode = ++looks }] });

        IReadOnlyList<MoveOutcome> outcomes = await world.MoveGroupAsync(World.Home, "b", 1, Members, look: look);

        Assert.All(outcomes, outcome => Assert.Contains("changes faster", Assert.IsType<MoveOutcome.NotMoved>(outcome).Failure.Message, StringComparison.Ordinal));
        Assert.All(World.Keys, key => Assert.Equal(World.Home, world.BodyAt(key)));
        Assert.InRange(looks, 2ul, 100ul);
    }

    [Fact]
    public async Task Conduct_GivenUpBeforeCommit_AllStay()
    {
        using var world = new World();

        IReadOnlyList<MoveOutcome> outcomes = await world.MoveGroupAsync(World.Home, "b", 1, Members, givenUp: true);

        Assert.All(outcomes, outcome => Assert.IsType<MoveOutcome.NotMoved>(outcome));
        Assert.All(World.Keys, key => Assert.Equal(World.Home, world.BodyAt(key)));
    }

    /// <summary>It cannot say any more whether it claimed; the others can.</summary>
    [Theory]
    [InlineData("home", "b")]
    [InlineData("b", "c")]
    public async Task Conduct_LeaderRunsAndEndsUnheard_TheOthersHaveMoved(string source, string target)
    {
        using var world = new World();
        uint epoch = await BeginAsync(world, source);
        world.Break(target, "Run", Fault.Ended);

        IReadOnlyList<MoveOutcome> outcomes = await world.MoveGroupAsync(source, target, epoch, Members);
        await world.SettleAsync();

        Assert.All(outcomes.Skip(1), outcome => Assert.IsType<MoveOutcome.Moved>(outcome));
        Assert.All(World.Keys.Skip(1), key => Assert.Equal(target, world.BodyAt(key)));
    }

    /// <summary>Nothing ran: the claim of the next one says so.</summary>
    [Fact]
    public async Task Conduct_LeaderEndsBeforeItRuns_TheOthersStay()
    {
        using var world = new World();
        world.Break(World.Home, "Expect", Fault.Ended);

        IReadOnlyList<MoveOutcome> outcomes = await world.MoveGroupAsync(World.Home, "b", 1, Members);
        await world.SettleAsync();

        Assert.All(outcomes, outcome => Assert.IsType<MoveOutcome.NotMoved>(outcome));
        Assert.All(World.Keys.Skip(1), key => Assert.Equal(World.Home, world.BodyAt(key)));
    }

    /// <summary>Home's daemon has died after the second of them was ready: each is ended by its own lease.</summary>
    [Fact]
    public async Task Restore_GroupForgottenByItsHome_AllEndByThemselves()
    {
        using var world = new World();
        await RestoreAsync(world, World.Keys[0], 0);
        await RestoreAsync(world, World.Keys[1], World.Key);

        world.Time.Advance(MoveDeadlines.Restore(World.Image()) + MoveDeadlines.Lease);

        Assert.All(World.Keys, key => Assert.Equal(Held.Nothing, world.Wardens["b"][key].State));
    }

    /// <summary>The pages of the others take longer than one is waited for.</summary>
    [Fact]
    public async Task Restore_OfTheLastTakesLong_TheLeaderWaits()
    {
        using var world = new World();
        await RestoreAsync(world, World.Keys[0], 0);
        await RestoreAsync(world, World.Keys[1], World.Key);
        world.Break("b", "Pull", Fault.Hangs, key: World.Keys[2]);
        Task last = RestoreAsync(world, World.Keys[2], World.Key);

        world.Time.Advance(MoveDeadlines.Lease + TimeSpan.FromSeconds(20));

        Assert.Equal([Held.Ready, Held.Ready, Held.Restoring], World.Keys.Select(key => world.Wardens["b"][key].State));
        await world.Nodes["b"].AbortAsync(new KeyRequest { Key = World.Keys[2], Epoch = 1 }, TestContext.Current.CancellationToken);
        await last;
    }

    [Fact]
    public async Task Freeze_OfAGroup_TheFirstWaitsForAll()
    {
        using var world = new World();
        uint epoch = await BeginAsync(world, "b");
        foreach (ulong key in World.Keys)
        {
            var request = new FreezeRequest { Key = key, Epoch = epoch, Target = "c" };
            Assert.True((await world.Nodes["b"].FreezeAsync(request, 0, TestContext.Current.CancellationToken)).Ok);
            var described = new SnapshotRequest { Key = key, Epoch = epoch, Target = "c" };
            Assert.True((await world.Nodes["b"].SnapshotAsync(described, 0, TestContext.Current.CancellationToken)).Ok);
        }
        TimeSpan ofOne = MoveDeadlines.FrozenLease([MemoryNeed.Of(World.Image())]);
        TimeSpan ofAll = MoveDeadlines.FrozenLease(Enumerable.Repeat(MemoryNeed.Of(World.Image()), Members));

        world.Time.Advance(ofOne + TimeSpan.FromSeconds(1));
        Assert.All(World.Keys, key => Assert.Equal(Held.RemoteFrozen, world.Wardens["b"][key].State));

        world.Time.Advance(ofAll - ofOne);
        Assert.All(World.Keys, key => Assert.Equal("b", world.BodyAt(key)));
    }

    private static async Task<uint> BeginAsync(World world, string source)
    {
        if (source == World.Home)
            return 1;
        Assert.All(await world.MoveGroupAsync(World.Home, source, 1, Members), outcome => Assert.IsType<MoveOutcome.Moved>(outcome));
        return 2;
    }

    private static Task<Step<RestoreReply>> RestoreAsync(World world, ulong key, ulong beside) => world.Nodes["b"].RestoreAsync(
        new RestoreRequest { Key = key, Epoch = 1, Image = World.Image(key), Source = Offering(world, key), Beside = beside }, World.Home, null,
        TestContext.Current.CancellationToken);

    private static string Offering(World world, ulong key)
    {
        Assert.True(world.Ships[World.Home].Offer(key, 1, World.Image(key), World.PidOf(key), "b").Ok);
        return World.Home;
    }
}
