// Groups as the mover finds them: processes of jobs that are really there, and a warden that says who shares memory and whom it was told to stop.
using System.Collections.Concurrent;
using System.Diagnostics;
using Microsoft.Extensions.Logging.Abstractions;
using OpenMosix.Daemon.Hosting;
using OpenMosix.Daemon.Jobs;
using OpenMosix.Daemon.Migration;
using OpenMosix.Daemon.Tests.Fakes;
using OpenMosix.Daemon.Tests.Jobs;
using OpenMosix.Daemon.Warden;
using OpenMosix.Protocol.V1;
using Request = OpenMosix.Protocol.V1.ToWarden.RequestOneofCase;

namespace OpenMosix.Daemon.Tests.Migration;

public sealed class MoverGroupTests : IAsyncDisposable
{
    private readonly JobsFixture _jobs = new();
    private readonly SharingWarden _warden = new();
    private readonly World _world = new();
    private readonly ManualTime _time = new();
    private readonly Errands _errands;
    private readonly Mover _mover;

    public MoverGroupTests()
    {
        DaemonOptions options = _jobs.Options;
        TimeProvider time = _time;
        var cluster = new FakeCluster(options.Node, "there", "elsewhere");
        var channels = new FakeChannels();
        _errands = new Errands(time, NullLogger<Errands>.Instance);
        FakeShip ship = _world.Ships[World.Home];
        var faults = new FaultPoints(options, _jobs.Feed, NullLogger<FaultPoints>.Instance);
        var node = new LocalNode(_warden, ship, new Guests(options), cluster, cluster, _ => null, faults, options, time, NullLogger<LocalNode>.Instance);
        _mover = new Mover(
            _jobs.Registry, new Groups(_jobs.Registry, _warden, options, time), new MoveNodes(node, channels, cluster), new HomeDeputy(_warden, ship, time, NullLogger<HomeDeputy>.Instance),
            _errands, faults, _warden, cluster, channels, _jobs.Feed, options, time, NullLogger<Mover>.Instance);
    }

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    public async ValueTask DisposeAsync()
    {
        _mover.Dispose();
        _errands.Dispose();
        _world.Dispose();
        await _jobs.DisposeAsync();
    }

    [Fact]
    public async Task Migrate_TwoMembersAtTheSameMoment_OneAfterTheOther()
    {
        JobProcess one = Job(), other = Job();
        _warden.Shares(one.Pid, other.Pid);
        _warden.RefusesFreezeOf = Math.Min(one.Pid, other.Pid);

        var replies = new List<MigrateReply>();
        for (int i = 0; i < 20; i++)
            replies.AddRange(await Task.WhenAll(Migrate(one), Migrate(other)).WaitAsync(TimeSpan.FromSeconds(30), Cancelled));

        Assert.All(replies, reply => Assert.Equal("refused by the test", reply.Failure?.Message));
        Assert.False(_warden.TwoStoodAtOnce, "two moves were at one process");
        Assert.All([one, other], process => Assert.Equal(Place.Native, process.Residence.Place));
    }

    [Fact]
    public async Task Migrate_SharesWithAProcessOfNoJob_IsRefusedByNameAndNothingIsFrozen()
    {
        JobProcess one = Job();
        int stranger = _jobs.Start("cat").Id;
        _warden.Shares(one.Pid, stranger);

        MigrateReply reply = await Migrate(one);

        Assert.Equal("shared-memory", reply.Failure.Refusal.Name);
        Assert.Contains(stranger.ToString(System.Globalization.CultureInfo.InvariantCulture), reply.Failure.Refusal.Object, StringComparison.Ordinal);
        Assert.DoesNotContain(Request.Freeze, _warden.Asked);
        Assert.Equal("shared-memory", (await _mover.WhyAsync(one.Pid, Cancelled)).Refusal.Name);
    }

    [Fact]
    public async Task Migrate_MemoryThatCannotMove_IsRefusedByNameAndNothingIsFrozen()
    {
        JobProcess one = Job(), other = Job();
        _warden.Shares(one.Pid, other.Pid);
        _warden.Reply.Refusal = new Refusal { Name = "shared-memory", Object = "/dev/shm/known to all" };

        MigrateReply reply = await Migrate(one);

        Assert.Equal("/dev/shm/known to all", reply.Failure.Refusal.Object);
        Assert.DoesNotContain(Request.Freeze, _warden.Asked);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Migrate_WardenDoesNotSayWhoShares_FailsAndNothingIsFrozen(bool silent)
    {
        JobProcess one = Job();
        _warden.Says = silent ? new WardenAnswer.Unknown("silent") : new WardenAnswer.Replied(new FromWarden { Done = new WardenDone() });

        MigrateReply reply = await Migrate(one);

        Assert.NotNull(reply.Failure);
        Assert.DoesNotContain(Request.Freeze, _warden.Asked);
        Assert.False((await _mover.WhyAsync(one.Pid, Cancelled)).CanMove);
    }

    /// <summary>A third one has come between the first look and the standstill, and a fourth until that stands.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Migrate_OthersJoinMeanwhile_StandToo(bool inTwoRounds)
    {
        JobProcess one = Job(), other = Job(), third = Job(), fourth = Job();
        _warden.Shares(one.Pid, other.Pid);
        _warden.WhenFrozen = pid =>
        {
            if (pid == one.Pid)
                _warden.Shares([one.Pid, other.Pid, third.Pid, .. inTwoRounds ? Array.Empty<int>() : [fourth.Pid]]);
            else if (pid == third.Pid)
                _warden.Shares(one.Pid, other.Pid, third.Pid, fourth.Pid);
        };

        MigrateReply reply = await Migrate(one);

        Assert.Equal([one.Pid, other.Pid, third.Pid, fourth.Pid], _warden.Frozen);
        AssertCameToTheirTarget(reply, one, other, third, fourth);
    }

    [Fact]
    public async Task Migrate_ProcessOfNoJobJoinsMeanwhile_IsRefusedByNameAndAllGoOn()
    {
        JobProcess one = Job(), other = Job();
        int stranger = _jobs.Start("cat").Id;
        _warden.Shares(one.Pid, other.Pid);
        _warden.WhenFrozen = _ => _warden.Shares(one.Pid, other.Pid, stranger);

        MigrateReply reply = await Migrate(one);

        Assert.Equal("shared-memory", reply.Failure.Refusal.Name);
        AssertGoOn(one, other);
    }

    [Fact]
    public async Task Migrate_OneThatJoinsCannotBeFrozen_FailsAndAllGoOn()
    {
        JobProcess one = Job(), third = Job();
        _warden.WhenFrozen = _ => _warden.Shares(one.Pid, third.Pid);
        _warden.RefusesFreezeOf = third.Pid;

        MigrateReply reply = await Migrate(one);

        Assert.Equal("refused by the test", reply.Failure.Message);
        AssertGoOn(one, third);
    }

    [Fact]
    public async Task Migrate_OneThatJoinsIsBeingMoved_FailsByNameAndAllGoOn()
    {
        JobProcess one = Job(), third = Job();
        _warden.WhenFrozen = _ => _warden.Shares(one.Pid, third.Pid);
        using IDisposable moving = await _mover.HoldAsync(third, Cancelled);

        MigrateReply reply = await _time.RunAsync(Migrate(one));

        Assert.Contains($"process {third.Pid}, which shares its memory, is being moved", reply.Failure.Message, StringComparison.Ordinal);
        AssertGoOn(one, third);
    }

    /// <summary>Between the look and its turn to be frozen, or before its body's home has heard of it.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Migrate_OneEndsMeanwhile_TheOthersGoOnWithoutIt(bool seenToEndLater)
    {
        Process ending = _jobs.Start("cat");
        JobProcess one = Job(), other = _jobs.Register(ending), third = Job();
        _warden.Shares(one.Pid, other.Pid, third.Pid);
        _warden.Gone.Add(other.Pid);
        if (seenToEndLater)
            _warden.WhenGone = () => ending.Kill();
        else
            _warden.WhenFrozen = _ => ending.Kill();
        _warden.WhenAsked = () =>
        {
            if (_warden.Frozen.Contains(third.Pid))
                Assert.True(other.HasEnded, "it was looked before it had ended");
            if (other.HasEnded)
                _warden.Shares(one.Pid, third.Pid);
        };

        MigrateReply reply = await Migrate(one);

        Assert.Contains("ended", other.LastMove, StringComparison.Ordinal);
        AssertCameToTheirTarget(reply, one, third);
    }

    [Fact]
    public async Task Migrate_MemoryIsNewMeanwhile_AllAreToldOfIt()
    {
        JobProcess one = Job(), other = Job();
        _warden.Shares(one.Pid, other.Pid);
        _warden.WhenFrozen = _ => _warden.Reply.Memory[0].Inode = 3;

        MigrateReply reply = await Migrate(one);

        Assert.Equal([2ul, 2ul, 3ul, 3ul], _warden.Told);
        AssertCameToTheirTarget(reply, one, other);
    }

    [Fact]
    public async Task Migrate_NeverTheSameTwice_IsGivenUpAndAllGoOn()
    {
        JobProcess one = Job(), other = Job();
        _warden.Shares(one.Pid, other.Pid);
        _warden.WhenAsked = () => _warden.Reply.Memory[0].Inode++;

        MigrateReply reply = await Migrate(one);

        Assert.Contains("changes faster", reply.Failure.Message, StringComparison.Ordinal);
        AssertGoOn(one, other);
    }

    /// <summary>A process that had nothing to share when it was asked for: it has when it stands.</summary>
    [Fact]
    public async Task Migrate_BeginsToShareMeanwhile_TheOtherStandsToo()
    {
        JobProcess one = Job(), child = Job();
        _warden.WhenFrozen = _ => _warden.Shares(one.Pid, child.Pid);

        AssertCameToTheirTarget(await Migrate(one), one, child);

        Assert.Contains(child.Pid, _warden.Frozen);
    }

    /// <summary>Its deputy is there, and its body has not presented itself, or never does.</summary>
    [Theory]
    [InlineData("heard", "cannot be reached")]
    [InlineData("ended", "cannot be reached")]
    [InlineData("unheard", "has not been heard of")]
    [InlineData("native", "is on here")]
    public async Task Migrate_ChildIsBeingForkedAway_IsWaitedFor(string becomes, string failure)
    {
        Process child = _jobs.Start("cat");
        JobProcess parent = Job(), forked = _jobs.Register(child);
        parent.Residence = new Residence(Place.Away, "there", 1, 4);
        _warden.Shares(parent.Pid, forked.Pid);
        _warden.Deputies.Add(new HeldProcess { Key = 1, Pid = parent.Pid, Role = HeldProcess.Types.Role.Deputy });
        if (becomes != "native")
            _warden.Deputies.Add(new HeldProcess { Key = 2, Pid = forked.Pid, Role = HeldProcess.Types.Role.Deputy });
        _warden.WhenStatus = () =>
        {
            if (becomes == "heard")
                forked.Residence = new Residence(Place.Away, "there", 2, 1);
            else if (becomes == "ended")
                child.Kill();
        };

        Task<MigrateReply> move = _mover.MigrateAsync(parent.Pid, "elsewhere", Cancelled);
        MigrateReply reply = becomes == "unheard" ? await _time.RunAsync(move) : await move;

        Assert.Contains(failure, reply.Failure.Message, StringComparison.Ordinal);
        Assert.Equal(new Residence(Place.Away, "there", 1, 4), parent.Residence);
    }

    private JobProcess Job() => _jobs.Register(_jobs.Start("cat"));

    /// <summary>Which cannot be reached: all stood, and all go on.</summary>
    private void AssertCameToTheirTarget(MigrateReply reply, params JobProcess[] members)
    {
        Assert.Contains("cannot be reached", reply.Failure.Message, StringComparison.Ordinal);
        Assert.Equal(members.Length, _warden.Asked.Count(request => request == Request.Snapshot));
        AssertGoOn(members);
    }

    private void AssertGoOn(params JobProcess[] members)
    {
        Assert.Empty(_warden.Standing);
        Assert.DoesNotContain(Request.Deputize, _warden.Asked);
        Assert.All(members, process => Assert.Equal(Place.Native, process.Residence.Place));
        Assert.False(_world.Ships[World.Home].Offered);
    }

    private Task<MigrateReply> Migrate(JobProcess process) => _mover.MigrateAsync(process.Pid, "there", Cancelled);

    private sealed class SharingWarden : IWarden
    {
        private readonly ConcurrentDictionary<ulong, int> _standing = new();

        public ConcurrentQueue<Request> Asked { get; } = new();

        public WardenSharersReply Reply { get; private set; } = new();

        /// <summary>Instead of Reply.</summary>
        public WardenAnswer? Says { get; set; }

        public int RefusesFreezeOf { get; set; }

        /// <summary>That have ended, for whoever freezes them.</summary>
        public HashSet<int> Gone { get; } = [];

        public List<HeldProcess> Deputies { get; } = [];

        /// <summary>Each once, in order.</summary>
        public ConcurrentQueue<int> Frozen { get; } = new();

        /// <summary>Inode of the memory with which each was frozen, or told of it again.</summary>
        public ConcurrentQueue<ulong> Told { get; } = new();

        public Action<int> WhenFrozen { get; set; } = _ => { };

        public Action WhenGone { get; set; } = () => { };

        public Action WhenAsked { get; set; } = () => { };

        public Action WhenStatus { get; set; } = () => { };

        public IEnumerable<int> Standing => _standing.Values;

        public bool TwoStoodAtOnce { get; private set; }

        public bool IsConnected => true;

        public void Shares(params int[] pids) => Reply = new WardenSharersReply
        {
            Pids = { pids.Order() },
            Memory = { new SharedMemory { Device = 1, Inode = 2, Name = "/dev/zero (deleted)", Pids = { pids.Order() } } },
        };

        public async Task<WardenAnswer> AskAsync(ToWarden request, CancellationToken cancellationToken)
        {
            await Task.Yield();
            Asked.Enqueue(request.RequestCase);
            switch (request.RequestCase)
            {
                case Request.Sharers:
                    WhenAsked();
                    return Says ?? new WardenAnswer.Replied(new FromWarden { Sharers = Reply.Clone() });
                case Request.Freeze when request.Freeze.Pid == RefusesFreezeOf:
                    return new WardenAnswer.Failed(new Failure { Message = "refused by the test" });
                case Request.Freeze when Gone.Contains(request.Freeze.Pid):
                    WhenGone();
                    return new WardenAnswer.Failed(new Failure { Message = "no process", Errno = 3 });
                case Request.Freeze when _standing.ContainsKey(request.Freeze.Key):
                    Told.Enqueue(request.Freeze.Memory[0].Inode);
                    return new WardenAnswer.Replied(new FromWarden { Frozen = new WardenFrozen() });
                case Request.Freeze:
                    TwoStoodAtOnce |= _standing.Values.Contains(request.Freeze.Pid);
                    _standing[request.Freeze.Key] = request.Freeze.Pid;
                    Frozen.Enqueue(request.Freeze.Pid);
                    Told.Enqueue(request.Freeze.Memory.FirstOrDefault()?.Inode ?? 0);
                    await Task.Delay(1, cancellationToken);
                    WhenFrozen(request.Freeze.Pid);
                    return new WardenAnswer.Replied(new FromWarden { Frozen = new WardenFrozen() });
                case Request.Snapshot:
                    return new WardenAnswer.Replied(new FromWarden { Described = new WardenDescribed { Image = World.Image(), MemoryPid = _standing[request.Snapshot.Key] } });
                case Request.Status:
                    var status = new WardenStatusReply { Processes = { Deputies } };
                    WhenStatus();
                    return new WardenAnswer.Replied(new FromWarden { Status = status });
                case Request.Thaw:
                    _standing.TryRemove(request.Thaw.Key, out _);
                    break;
            }
            return new WardenAnswer.Replied(new FromWarden { Done = new WardenDone() });
        }
    }
}
