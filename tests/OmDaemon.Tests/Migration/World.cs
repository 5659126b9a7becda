// One process, or a group of three, in a cluster of three nodes: the daemon's own code on each (LocalNode), a warden by protocol under it, and wires between them that
// lose what a test tells them to. What must hold in the end: exactly one body executes, and nobody holds anything half done.
using Google.Protobuf;
using Microsoft.Extensions.Logging.Abstractions;
using OpenMosix.Daemon.Hosting;
using OpenMosix.Daemon.Migration;
using OpenMosix.Daemon.Ship;
using OpenMosix.Daemon.Tests.Fakes;
using OpenMosix.Protocol.Errors;
using OpenMosix.Protocol.V1;

namespace OpenMosix.Daemon.Tests.Migration;

internal enum Fault
{
    Refused,    // answered with a failure, nothing done
    LostBefore, // never arrived
    LostAfter,  // done, and the answer was lost
    Restarted,  // warden: the daemon's connection ends, it undoes what it must
    HostRestarted, // warden: the one of node b loses its daemon first
    Hangs,      // pull: until it is given up
    Ended,      // warden: done, then the process ends, and the answer is lost
}

internal sealed class World : IDisposable
{
    public const string Home = "home";
    public const ulong Key = 0xfeed;
    public const int Pid = 4242;

    private const ulong Memory = 77; // inode of what the group shares

    private readonly Dictionary<(string Node, string Step, ulong Key), Queue<Fault>> _faults = [];

    public World()
    {
        Errands = new Errands(Time, NullLogger<Errands>.Instance);
        Faults = new FaultPoints(new DaemonOptions(), new RecordingFeed(), NullLogger<FaultPoints>.Instance);
        foreach (string node in new[] { Home, "b", "c" })
        {
            Wardens[node] = new FakeWarden(this, node, node == Home);
            Ships[node] = new FakeShip(this, node);
            var options = new DaemonOptions { Node = node };
            Guests[node] = new Guests(options);
            var cluster = new FakeCluster(node, new[] { Home, "b", "c" }.Where(other => other != node).ToArray());
            Nodes[node] = new LocalNode(
                Wardens[node], Ships[node], Guests[node], cluster, cluster, _ => null, Faults, options, Time, NullLogger<LocalNode>.Instance);
        }
        Deputy = new HomeDeputy(Wardens[Home], Ships[Home], Time, NullLogger<HomeDeputy>.Instance);
    }

    public ManualTime Time { get; } = new();
    public Dictionary<string, FakeWarden> Wardens { get; } = [];
    public Dictionary<string, FakeShip> Ships { get; } = [];
    public Dictionary<string, Guests> Guests { get; } = [];
    public Dictionary<string, LocalNode> Nodes { get; } = [];
    public HashSet<string> Dead { get; } = [];

    /// <summary>The processes; the first is the leader where they are a group.</summary>
    public static IReadOnlyList<ulong> Keys { get; } = [Key, Key + 1, Key + 2];

    /// <summary>Processes that are no more.</summary>
    public HashSet<ulong> Ended { get; } = [];

    /// <summary>In the order in which they were.</summary>
    public List<ulong> Frozen { get; } = [];

    /// <summary>Memory, each time that one was told to stand.</summary>
    public List<IReadOnlyList<SharedMemory>> Told { get; } = [];

    /// <summary>In the order in which they were.</summary>
    public List<ulong> Described { get; } = [];

    /// <summary>What wardens were told to restore.</summary>
    public List<WardenRestore> Restored { get; } = [];

    /// <summary>Two bodies executed at one moment.</summary>
    public bool WereTwo { get; private set; }

    public Errands Errands { get; }
    public HomeDeputy Deputy { get; }
    public FaultPoints Faults { get; }

    public static int PidOf(ulong key) => Pid + (int)(key - Key);

    public static ProcessImage Image(ulong key = Key) => new()
    {
        Version = 1,
        Pid = PidOf(key),
        Name = "program",
        Extents = { new Extent { Address = 0x1000, Bytes = 1 << 20 } },
        Files = { new MappedFile { Path = "/dev/zero (deleted)", Device = 1, Inode = Memory, SizeBytes = 1 << 16, Memory = true, Ranges = { new FileRange { Offset = 4096, Bytes = 4096 } } } },
    };

    public void Break(string node, string step, Fault fault, int times = 1, ulong key = Key)
    {
        if (!_faults.TryGetValue((node, step, key), out Queue<Fault>? queue))
            _faults[(node, step, key)] = queue = new Queue<Fault>();
        for (int i = 0; i < times; i++)
            queue.Enqueue(fault);
    }

    public Fault? Take(string node, string step, ulong key) =>
        _faults.TryGetValue((node, step, key), out Queue<Fault>? queue) && queue.TryDequeue(out Fault fault) ? fault : null;

    public bool WasHit(string node, string step, ulong key = Key) => _faults.TryGetValue((node, step, key), out Queue<Fault>? queue) && queue.Count == 0;

    /// <summary>The body is on `node` already, by a first move with epoch 1.</summary>
    public async Task BeginAwayAsync(string node)
    {
        MoveOutcome outcome = await MoveAsync(Home, node, 1);
        Assert.IsType<MoveOutcome.Moved>(outcome);
    }

    public async Task<MoveOutcome> MoveAsync(string source, string target, uint epoch, bool givenUp = false) =>
        (await MoveGroupAsync(source, target, epoch, 1, givenUp))[0];

    /// <param name="members">How many of Keys.</param>
    /// <param name="look">Null: nothing changes meanwhile.</param>
    public Task<IReadOnlyList<MoveOutcome>> MoveGroupAsync(string source, string target, uint epoch, int members, bool givenUp = false, GroupLook? look = null)
    {
        var orders = Keys.Take(members).Select(key => OrderOf(key, source, target, epoch));
        var move = new Move([.. orders], [], look ?? Looks(Sight()), Deputy, Errands, Faults, Time);
        return Time.RunAsync(move.ConductAsync(new CancellationToken(givenUp), CancellationToken.None));
    }

    public MoveOrder OrderOf(ulong key, string source, string target, uint epoch) =>
        new(key, epoch - 1, epoch, PidOf(key), source == Home, target == Home, Seen(source), Seen(target));

    public static GroupSight Sight(params MoveOrder[] joined) => new(joined, new HashSet<ulong>(), [], null);

    /// <summary>What is seen, one after the other; the last holds on.</summary>
    public static GroupLook Looks(params GroupSight[] sights)
    {
        var left = new Queue<GroupSight>(sights);
        return (_, _) => Task.FromResult<Outcome<GroupSight>>(left.Count > 1 ? left.Dequeue() : left.Peek());
    }

    /// <summary>The process ends, body and deputy.</summary>
    public void End(ulong key)
    {
        foreach ((string node, FakeWarden warden) in Wardens)
        {
            warden[key].State = Held.Nothing;
            Guests[node].Remove(key);
        }
        Ended.Add(key);
    }

    public void Look() => WereTwo |= Keys.Any(key => Wardens.Values.Count(warden => warden[key].BodyRuns) > 1);

    /// <summary>Lets leases end and errands be repeated.</summary>
    public async Task SettleAsync()
    {
        for (int i = 0; i < 60 && (Errands.Open > 0 || Wardens.Any(entry => !Dead.Contains(entry.Key) && !entry.Value.IsSettled) || Guests.Any(entry => entry.Value.All.Any(guest => guest.State != GuestState.Running))); i++)
        {
            Time.Advance(TimeSpan.FromSeconds(5));
            await Task.Delay(1);
        }
    }

    /// <summary>Where the one body executes; fails if there is not exactly one, or anything is pending on a node that lives.</summary>
    public string BodyAt(ulong key = Key)
    {
        string picture = string.Join(", ", Wardens.Select(entry => $"{entry.Key}: {entry.Value[key].State} epoch {entry.Value[key].Epoch}"));
        string[] bodies = [.. Wardens.Where(entry => !Dead.Contains(entry.Key) && entry.Value[key].BodyRuns).Select(entry => entry.Key)];
        Assert.True(bodies.Length == 1, $"{bodies.Length} bodies of {key:x}: {picture}");
        AssertSettled();
        return bodies[0];
    }

    public void AssertSettled()
    {
        string picture = string.Join(", ", Wardens.SelectMany(entry => Keys.Select(key => $"{entry.Key} {key:x}: {entry.Value[key].State} epoch {entry.Value[key].Epoch}")));
        Assert.False(WereTwo, $"two bodies ran at one moment: {picture}");
        foreach ((string node, FakeWarden warden) in Wardens)
        {
            if (Dead.Contains(node))
                continue;
            Assert.True(warden.IsSettled, $"{node} is left with something half done: {picture}");
            Assert.False(Ships[node].Offered, $"{node} still offers pages: {picture}");
            Assert.True(node == Home || Keys.All(key => (warden[key].State == Held.Nothing) == (Guests[node].Find(key) is null)), $"{node}'s daemon and warden disagree: {picture}");
        }
    }

    public void Dispose() => Errands.Dispose();

    private IMoveNode Seen(string node) => node == Home ? Nodes[Home] : new Wire(this, Nodes[node]);
}

/// <summary>The network between home and another node.</summary>
internal sealed class Wire(World world, LocalNode node) : IMoveNode
{
    public string Node => node.Node;

    public Task<Step<FreezeReply>> FreezeAsync(FreezeRequest request, int pid, CancellationToken cancellationToken) =>
        SendAsync("wire Freeze", request.Key, () => node.FreezeAsync(request, 0, cancellationToken));

    public Task<Step<SnapshotReply>> SnapshotAsync(SnapshotRequest request, int pid, CancellationToken cancellationToken) =>
        SendAsync("wire Snapshot", request.Key, () => node.SnapshotAsync(request, 0, cancellationToken));

    public Task<Step<MoveReply>> ThawAsync(KeyRequest request, CancellationToken cancellationToken) =>
        SendAsync("wire Thaw", request.Key, () => node.ThawAsync(request, cancellationToken));

    public Task<Step<RestoreReply>> RestoreAsync(RestoreRequest request, CancellationToken cancellationToken) =>
        SendAsync("wire Restore", request.Key, () => node.RestoreAsync(request, World.Home, null, cancellationToken));

    public Task<Step<MoveReply>> RunAsync(RunRequest request, CancellationToken cancellationToken) =>
        SendAsync("wire Run", request.Key, () => node.RunAsync(request, cancellationToken));

    public Task<Step<MoveReply>> AbortAsync(KeyRequest request, CancellationToken cancellationToken) =>
        SendAsync("wire Abort", request.Key, () => node.AbortAsync(request, cancellationToken));

    public Task<Step<MoveReply>> DiscardAsync(KeyRequest request, CancellationToken cancellationToken) =>
        SendAsync("wire Discard", request.Key, () => node.DiscardAsync(request, cancellationToken));

    private async Task<Step<T>> SendAsync<T>(string step, ulong key, Func<Task<Step<T>>> call)
        where T : class, IMessage
    {
        if (world.Dead.Contains(node.Node))
            return Step<T>.NotSent(new Failure { Message = "dead" });
        switch (world.Take(node.Node, step, key))
        {
            case Fault.Refused:
                return Step<T>.Refused(new Failure { Message = "refused by the test" });
            case Fault.LostBefore:
                return Step<T>.Unknown(new Failure { Message = "lost before" });
            case Fault.LostAfter:
                await call();
                return Step<T>.Unknown(new Failure { Message = "lost after" });
            case Fault.Restarted:
                world.Dead.Add(node.Node);
                return Step<T>.Unknown(new Failure { Message = "died" });
            default:
                return await call();
        }
    }
}

internal sealed class FakeShip(World world, string node) : IPageShip
{
    private readonly HashSet<ulong> _offered = [];

    public bool Offered => _offered.Count > 0;

    public bool Offers(ulong key) => _offered.Contains(key);

    public Outcome Offer(ulong key, uint epoch, ProcessImage image, int memoryPid, string target)
    {
        return world.Take(node, "Offer", key) is not null || !_offered.Add(key) ? Failures.Broken(Stage.Ship, "no offer") : Outcome.Done;
    }

    public Task ReleaseAsync(ulong key)
    {
        _offered.Remove(key);
        return Task.CompletedTask;
    }

    public async Task<Outcome<PullResult>> PullAsync(
        string source, ulong key, uint epoch, ProcessImage image, WardenRestoring restoring, CancellationToken cancellationToken)
    {
        Fault? fault = world.Take(node, "Pull", key);
        if (fault == Fault.Hangs)
            await Task.Delay(Timeout.Infinite, cancellationToken);
        return fault is not null || !world.Ships[source].Offers(key) ? Failures.Broken(Stage.Ship, "no pages") : new PullResult(1 << 20, 0, TimeSpan.FromMilliseconds(1));
    }
}
