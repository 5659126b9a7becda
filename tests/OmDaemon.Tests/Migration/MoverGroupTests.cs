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
    private readonly Errands _errands;
    private readonly Mover _mover;

    public MoverGroupTests()
    {
        DaemonOptions options = _jobs.Options;
        TimeProvider time = TimeProvider.System;
        var cluster = new FakeCluster(options.Node, "there");
        var channels = new FakeChannels();
        _errands = new Errands(time, NullLogger<Errands>.Instance);
        FakeShip ship = _world.Ships[World.Home];
        var faults = new FaultPoints(options, _jobs.Feed, NullLogger<FaultPoints>.Instance);
        var node = new LocalNode(_warden, ship, new Guests(options), cluster, cluster, _ => null, faults, options, time, NullLogger<LocalNode>.Instance);
        _mover = new Mover(
            _jobs.Registry, new Groups(_jobs.Registry, _warden, time), new MoveNodes(node, channels, cluster), new HomeDeputy(_warden, ship, time, NullLogger<HomeDeputy>.Instance),
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

    /// <summary>A third one, of a job or not, has come between the first look and the standstill.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Migrate_GroupChangesMeanwhile_FailsAndAllGoOn(bool ofAJob)
    {
        JobProcess one = Job(), other = Job();
        int third = ofAJob ? Job().Pid : _jobs.Start("cat").Id;
        _warden.Shares(one.Pid, other.Pid);
        _warden.WhenFrozen = () => _warden.Shares(one.Pid, other.Pid, third);

        MigrateReply reply = await Migrate(one);

        Assert.Contains("changed", reply.Failure.Message, StringComparison.Ordinal);
        Assert.Equal(2, _warden.Asked.Count(request => request == Request.Freeze));
        Assert.Empty(_warden.Standing);
        Assert.DoesNotContain(Request.Deputize, _warden.Asked);
        Assert.All([one, other], process => Assert.Equal(Place.Native, process.Residence.Place));
        Assert.False(_world.Ships[World.Home].Offered);
    }

    /// <summary>A process that is away and had nothing to share when it was asked for: it has when it stands.</summary>
    [Fact]
    public async Task Migrate_BeginsToShareMeanwhile_FailsAndGoesOn()
    {
        JobProcess one = Job();
        int child = _jobs.Start("cat").Id;
        _warden.WhenFrozen = () => _warden.Shares(one.Pid, child);

        MigrateReply reply = await Migrate(one);

        Assert.Contains("changed", reply.Failure.Message, StringComparison.Ordinal);
        Assert.Empty(_warden.Standing);
    }

    private JobProcess Job() => _jobs.Register(_jobs.Start("cat"));

    private Task<MigrateReply> Migrate(JobProcess process) => _mover.MigrateAsync(process.Pid, "there", Cancelled);

    private sealed class SharingWarden : IWarden
    {
        private readonly ConcurrentDictionary<ulong, int> _standing = new();

        public ConcurrentQueue<Request> Asked { get; } = new();

        public WardenSharersReply Reply { get; private set; } = new();

        /// <summary>Instead of Reply.</summary>
        public WardenAnswer? Says { get; set; }

        public int RefusesFreezeOf { get; set; }

        public Action WhenFrozen { get; set; } = () => { };

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
                    return Says ?? new WardenAnswer.Replied(new FromWarden { Sharers = Reply.Clone() });
                case Request.Freeze when request.Freeze.Pid == RefusesFreezeOf:
                    return new WardenAnswer.Failed(new Failure { Message = "refused by the test" });
                case Request.Freeze:
                    TwoStoodAtOnce |= _standing.Values.Contains(request.Freeze.Pid);
                    _standing[request.Freeze.Key] = request.Freeze.Pid;
                    await Task.Delay(1, cancellationToken);
                    WhenFrozen();
                    return new WardenAnswer.Replied(new FromWarden { Frozen = new WardenFrozen { Image = World.Image(), MemoryPid = request.Freeze.Pid } });
                case Request.Thaw:
                    _standing.TryRemove(request.Thaw.Key, out _);
                    break;
            }
            return new WardenAnswer.Replied(new FromWarden { Done = new WardenDone() });
        }
    }
}
