// Processes that begin while their parent is away: the home daemon learns of them by its warden, the hosting one too, and whoever was not there when
// it was told finds them when it comes.
using System.Diagnostics;
using Microsoft.Extensions.Logging.Abstractions;
using OpenMosix.Daemon.Hosting;
using OpenMosix.Daemon.Interop;
using OpenMosix.Daemon.Jobs;
using OpenMosix.Daemon.Migration;
using OpenMosix.Daemon.Tests.Fakes;
using OpenMosix.Daemon.Tests.Jobs;
using OpenMosix.Daemon.Warden;
using OpenMosix.Protocol.V1;
using Request = OpenMosix.Protocol.V1.ToWarden.RequestOneofCase;
using Role = OpenMosix.Protocol.V1.HeldProcess.Types.Role;

namespace OpenMosix.Daemon.Tests.Migration;

public sealed class ForkedTests : IAsyncDisposable
{
    private const ulong ParentKey = 0xbeef, ChildKey = 0xcafe;
    private const int NoPid = (1 << 22) + 1; // pid_max is 1 << 22 at most

    private readonly JobsFixture _jobs = new();
    private readonly HomeWarden _warden = new();
    private readonly FakeChannels _channels = new();
    private readonly ManualTime _time = new();
    private readonly FakeCluster _cluster;
    private readonly Guests _guests;
    private readonly Errands _errands;
    private readonly Mover _mover;
    private readonly HomeComing _homeComing;
    private readonly Reconciler _reconciler;

    public ForkedTests()
    {
        DaemonOptions options = _jobs.Options;
        _cluster = new FakeCluster(options.Node, "there");
        _guests = new Guests(options);
        _errands = new Errands(_time, NullLogger<Errands>.Instance);
        _channels.Held["there"] = new HeldReply();
        var ships = new World().Ships[World.Home];
        var faults = new FaultPoints(options, _jobs.Feed, NullLogger<FaultPoints>.Instance);
        var node = new LocalNode(_warden, ships, _guests, _cluster, _cluster, _ => null, faults, options, _time, NullLogger<LocalNode>.Instance);
        var nodes = new MoveNodes(node, _channels, _cluster);
        var deputy = new HomeDeputy(_warden, ships, _time, NullLogger<HomeDeputy>.Instance);
        _mover = new Mover(_jobs.Registry, new Groups(_jobs.Registry, _warden, options, _time), nodes, deputy, _errands, faults, _warden, _cluster, _channels, _jobs.Feed, options, _time, NullLogger<Mover>.Instance);
        _homeComing = new HomeComing(_mover, node, _guests, _jobs.Registry, _channels, options, _time, NullLogger<HomeComing>.Instance);
        _reconciler = new Reconciler(
            _jobs.Registry, _mover, nodes, deputy, _errands, _cluster, _channels, _jobs.Feed, options, _time, NullLogger<Reconciler>.Instance);
    }

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    public async ValueTask DisposeAsync()
    {
        try
        {
            await _reconciler.StopAsync(CancellationToken.None);
        }
        finally
        {
            _reconciler.Dispose();
            _homeComing.Dispose();
            _mover.Dispose();
            _errands.Dispose();
            await _jobs.DisposeAsync();
        }
    }

    [Fact]
    public async Task Began_ChildOfAProcessThatIsAway_IsOfItsJobAndAwayToo()
    {
        JobProcess parent = Away(_jobs.Start("cat"));
        Process child = _jobs.Start("cat");

        await _homeComing.WardenSaidAsync(Began(child.Id), Cancelled);

        JobProcess? forked = _jobs.Registry.FindByKey(ChildKey);
        Assert.Equal((child.Id, parent.Job), (forked?.Pid, forked?.Job));
        Assert.Equal(new Residence(Place.Away, "there", ChildKey, 1), forked!.Residence);

        // Told in its file, too.
        _jobs.Restart();
        Assert.Equal(forked.Residence, _jobs.Registry.FindByKey(ChildKey)?.Residence);
    }

    [Fact]
    public async Task Began_ChildThatHasEnded_IsNoProcess()
    {
        Away(_jobs.Start("cat"));
        Process child = _jobs.Start("true");
        await child.WaitForExitAsync(Cancelled);

        await _homeComing.WardenSaidAsync(Began(child.Id), Cancelled);

        Assert.Null(_jobs.Registry.FindByKey(ChildKey));
        Assert.Single(_jobs.Registry.Processes);
    }

    [Fact]
    public async Task Began_OnAHostingNode_IsAGuestAndNoProcessOfOurs()
    {
        FromWarden began = new() { Began = new ProcessBegan { Process = Held(ChildKey, _jobs.Start("cat").Id, Role.Remote, "there") } };
        began.Began.Process.HomePid = 77;

        await _homeComing.WardenSaidAsync(began, Cancelled);
        await _guests.WardenSaidAsync(began, Cancelled);

        Assert.Empty(_jobs.Registry.Processes);
        Guest? guest = _guests.Find(ChildKey);
        Assert.Equal((1u, "there", GuestState.Running, 77), (guest?.Epoch, guest?.Home, guest?.State, guest?.HomePid));
    }

    [Fact]
    public async Task Began_Deputy_IsNoGuest()
    {
        await _guests.WardenSaidAsync(Began(_jobs.Start("cat").Id), Cancelled);

        Assert.Null(_guests.Find(ChildKey));
    }

    /// <summary>It was forked while there was no daemon, and its parent has ended since.</summary>
    [Fact]
    public async Task Connected_DeputyThatNoJobKnows_IsAJobAndAway()
    {
        Process child = _jobs.Start("cat");

        await _reconciler.WardenConnectedAsync(Status(Held(ChildKey, child.Id, Role.Deputy, "there", presented: 3)), Cancelled);

        JobProcess forked = Assert.Single(_jobs.Registry.Processes);
        Assert.Equal(child.Id, forked.Pid);
        Assert.Equal(new Residence(Place.Away, "there", ChildKey, 1), forked.Residence);
        Assert.Contains(Request.Committed, _warden.Asked);
    }

    /// <summary>Its parent's host may just be making it: to ask that whether it holds it would be too early.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Connected_DeputyWhoseBodyHasNotBeenHeardOf_IsLeftAloneUntilItBegins(bool ofAJob)
    {
        Process child = _jobs.Start("cat");
        JobProcess? known = ofAJob ? _jobs.Register(child) : null;
        _warden.Held.Add(Held(ChildKey, child.Id, Role.Deputy, "there"));

        await _reconciler.StartAsync(Cancelled);
        await ComparedAsync();

        Assert.Null(_jobs.Registry.FindByKey(ChildKey));
        Assert.Equal(ofAJob ? Residence.AtHome(_jobs.Options.Node) : null, known?.Residence);
        Assert.DoesNotContain(Request.Committed, _warden.Asked);
        Assert.False(child.HasExited);
        await _homeComing.WardenSaidAsync(Began(child.Id), Cancelled);
        Assert.Equal(child.Id, _jobs.Registry.FindByKey(ChildKey)?.Pid);
    }

    [Theory]
    [InlineData(Role.Remote)]
    [InlineData(Role.Frozen)]
    public async Task Compare_UnknownKeyWhoseDeputyIsHere_IsNotDiscarded(Role role)
    {
        _channels.Held["there"].Processes.Add(Held(ChildKey, 0, role, "here"));
        _channels.Held["there"].Processes.Add(Held(ParentKey, 0, role, "here"));
        _warden.Held.Add(Held(ChildKey, NoPid, Role.Deputy, "there"));

        await _reconciler.StartAsync(Cancelled);
        await ComparedAsync();

        Assert.All(_channels.Orders, order => Assert.Equal(("there", "Discard", ParentKey), order));
        Assert.NotEmpty(_channels.Orders);
    }

    [Fact]
    public async Task Compare_WardenDoesNotSayWhichDeputiesItHas_DiscardsNothing()
    {
        _channels.Held["there"].Processes.Add(Held(ChildKey, 0, Role.Remote, "here"));
        _warden.IsSilent = true;

        await _reconciler.StartAsync(Cancelled);
        await ComparedAsync();

        Assert.Empty(_channels.Orders);
        Assert.Contains(Request.Status, _warden.Asked);
    }

    [Fact]
    public async Task Compare_ForkedProcessWhoseBodyIsThere_GoesOn()
    {
        Process child = _jobs.Start("cat");
        JobProcess parent = Away(_jobs.Start("cat"));
        await _homeComing.WardenSaidAsync(Began(child.Id), Cancelled);
        _warden.Held.AddRange([Held(ChildKey, child.Id, Role.Deputy, "there", presented: 1), Held(ParentKey, parent.Pid, Role.Deputy, "there", presented: 4)]);
        _channels.Held["there"].Processes.Add([Held(ChildKey, 0, Role.Remote, "here"), Held(ParentKey, 0, Role.Remote, "here")]);

        await _reconciler.StartAsync(Cancelled);
        await ComparedAsync();

        Assert.Empty(_channels.Orders);
        Assert.False(child.HasExited);
        Assert.Equal(2, _jobs.Registry.Processes.Count);
    }

    /// <summary>What the node holds is compared whenever the warden connects, once after the other: when it is asked again, the first is over.</summary>
    private async Task ComparedAsync()
    {
        for (int i = 0; i < 2; i++)
        {
            await _reconciler.WardenConnectedAsync(Status([.. _warden.Held]), Cancelled);
            await _channels.AskedAsync(Cancelled);
        }
    }

    private JobProcess Away(Process process)
    {
        JobProcess away = _jobs.Register(process);
        away.Residence = new Residence(Place.Away, "there", ParentKey, 4);
        _jobs.Registry.Save(away);
        return away;
    }

    private static FromWarden Began(int pid) =>
        new() { Began = new ProcessBegan { Process = Held(ChildKey, pid, Role.Deputy, "there", presented: 1), ParentKey = ParentKey } };

    private static HeldProcess Held(ulong key, int pid, Role role, string peer, uint presented = 0) =>
        new() { Key = key, Pid = pid, Epoch = 1, Role = role, Peer = peer, Presented = presented };

    private static WardenStatusReply Status(params HeldProcess[] held) => new() { Processes = { held } };

    /// <summary>Home's: it says which deputies it has, or nothing.</summary>
    private sealed class HomeWarden : IWarden
    {
        public List<HeldProcess> Held { get; } = [];

        public System.Collections.Concurrent.ConcurrentQueue<Request> Asked { get; } = new();

        public bool IsSilent { get; set; }

        public bool IsConnected => !IsSilent;

        public Task<WardenAnswer> AskAsync(ToWarden request, CancellationToken cancellationToken)
        {
            Asked.Enqueue(request.RequestCase);
            return Task.FromResult<WardenAnswer>(
                IsSilent ? new WardenAnswer.Unknown("it is silent")
                : request.RequestCase == Request.Status ? new WardenAnswer.Replied(new FromWarden { Status = Status([.. Held]) })
                : new WardenAnswer.Replied(new FromWarden { Done = new WardenDone() }));
        }
    }
}
