// Moves processes whose home this is: one move at a time for each, different ones side by side, those that share memory together. Knows what to say about a move: the event feed, the
// process's last_move, the reply. Everything a move changes about a process is written here.
using System.Collections.Concurrent;
using System.Security.Cryptography;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using OpenMosix.Daemon.Cluster;
using OpenMosix.Daemon.Control;
using OpenMosix.Daemon.Hosting;
using OpenMosix.Daemon.Jobs;
using OpenMosix.Daemon.Warden;
using OpenMosix.Grpc;
using OpenMosix.Protocol.Errors;
using OpenMosix.Protocol.V1;

namespace OpenMosix.Daemon.Migration;

internal sealed partial class Mover(
    JobRegistry jobs, Groups groups, MoveNodes nodes, HomeDeputy deputy, Errands errands, FaultPoints faults, IWarden warden, IClusterView cluster,
    IPeerChannels channels, IEventFeed feed, DaemonOptions options, TimeProvider time, ILogger<Mover> log) : IMover, IHostedService, IDisposable
{
    private readonly KeyedGate<JobProcess> _gate = new();
    private readonly ConcurrentDictionary<JobProcess, Task> _active = new();
    private readonly CancellationTokenSource _givingUp = new();
    private readonly CancellationTokenSource _stopping = new();

    public async Task<MigrateReply> MigrateAsync(int homePid, string node, CancellationToken cancellationToken)
    {
        if (jobs.Find(homePid) is not { } process)
            return new MigrateReply { Failure = Failures.Refused(Stage.Freeze, Refusals.Make("not-a-job", $"process {homePid}", "start it with omrun")) };
        return await MoveAsync(process, node == "home" ? options.Node : node, "asked for", cancellationToken).ConfigureAwait(false);
    }

    /// <param name="reason">Why, in words, for those who watch.</param>
    /// <param name="givenUp">Obeyed until the target is told to run.</param>
    public async Task<MigrateReply> MoveAsync(JobProcess process, string node, string reason, CancellationToken givenUp)
    {
        using var either = CancellationTokenSource.CreateLinkedTokenSource(givenUp, _givingUp.Token);
        (Group group, Entered entered) = await EnterAsync(process, either.Token).ConfigureAwait(false);
        using (entered)
            return await MoveInsideAsync(new Trip(process, process.Residence, node, reason, entered), group, either.Token).ConfigureAwait(false);
    }

    /// <summary>Its group, entered by pid, so that nobody waits in a circle. Whoever joins it after that is entered when the others stand.</summary>
    private async Task<(Group Group, Entered Entered)> EnterAsync(JobProcess process, CancellationToken cancellationToken)
    {
        var group = new Group([process], [], null);
        for (bool known = false; ; known = true)
        {
            var entered = new Entered(this);
            try
            {
                foreach (JobProcess member in group.Members)
                    await entered.AddAsync(member, cancellationToken).ConfigureAwait(false);
                group = await groups.OfAsync(process, cancellationToken).ConfigureAwait(false);
                if (known || group.Members.All(entered.Has))
                    return (group, entered);
            }
            catch
            {
                entered.Dispose();
                throw;
            }
            entered.Dispose();
        }
    }

    /// <summary>A move is being conducted. (Place.Moving without it: the last daemon died in the middle of one.)</summary>
    public bool IsMoving(JobProcess process) => _active.ContainsKey(process);

    /// <summary>No move begins until the result is disposed.</summary>
    public Task<IDisposable> HoldAsync(JobProcess process, CancellationToken cancellationToken) => _gate.EnterAsync(process, cancellationToken);

    public async Task<WhyReply> WhyAsync(int homePid, CancellationToken cancellationToken)
    {
        if (jobs.Find(homePid) is not { } process)
            return new WhyReply { Refusal = Refusals.Make("not-a-job", $"process {homePid}", "start it with omrun") };
        Residence residence = process.Residence;
        var reply = new WhyReply { CanMove = true, Where = residence.Node, LastMove = process.LastMove };
        if (residence.Place == Place.Native)
        {
            WardenAnswer answer = await warden.AskAsync(
                new ToWarden { Inspect = new WardenInspect { Pid = homePid } }, MoveDeadlines.Short, time, cancellationToken).ConfigureAwait(false);
            reply.Refusal = answer.AsFailure(Stage.Freeze) is { } failure
                ? failure.Refusal ?? Refusals.Make("warden", failure.Message, "see the log of omwarden")
                : null;
            Group group = await groups.OfAsync(process, cancellationToken).ConfigureAwait(false);
            reply.Refusal ??= group.Refusal ?? (group.Unknown is { } unknown ? Refusals.Make("warden", unknown.Message, "see the log of omwarden") : null);
            reply.CanMove = reply.Refusal is null;
        }
        else
        {
            reply.RefusedCalls.Add(await RefusedCallsAsync(residence, cancellationToken).ConfigureAwait(false));
        }
        return reply;
    }

    /// <summary>Counted where they are refused, so the hosting node is asked. Empty when it does not answer.</summary>
    private async Task<IEnumerable<CallCount>> RefusedCallsAsync(Residence residence, CancellationToken cancellationToken)
    {
        try
        {
            if (channels.For(residence.Node) is not { } channel)
                return [];
            HeldReply held = await channel.CallAsync(
                MigrationCalls.Held, new HeldRequest(), new CallOptions(MoveDeadlines.Short), cancellationToken).ConfigureAwait(false);
            return held.Processes.Where(one => one.Key == residence.Key).SelectMany(one => one.CallCounts).Where(call => call.Refused);
        }
        catch (RpcException)
        {
            return [];
        }
    }

    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <summary>Moves that can still be given up are undone; the others are brought to their end.</summary>
    public async Task StopAsync(CancellationToken cancellationToken)
    {
        await _givingUp.CancelAsync().ConfigureAwait(false);
        await Task.WhenAll(_active.Values).WaitAsync(cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await _stopping.CancelAsync().ConfigureAwait(false);
    }

    public void Dispose()
    {
        _givingUp.Dispose();
        _stopping.Dispose();
    }

    private async Task<MigrateReply> MoveInsideAsync(Trip trip, Group group, CancellationToken givenUp)
    {
        List<JobProcess> members = [.. Movable(trip, group).Where(trip.Entered.Has)];
        foreach (JobProcess member in members)
        {
            if ((Hindrance(member, member.Residence, trip.To) ?? GroupHindrance(member, trip, group)) is { } hindrance)
                return new MigrateReply { From = trip.From, To = trip.To, Failure = hindrance };
        }

        List<MoveOrder> orders = [.. members.Select(member => Leave(member, trip))];
        IReadOnlyList<MoveOutcome> outcomes;
        try
        {
            outcomes = await new Move(orders, group.Memory, (ended, token) => LookAsync(trip, ended, token), deputy, errands, faults, time)
                .ConductAsync(givenUp, _stopping.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            // The daemon had to stop before home's warden could answer: the warden undoes, and its status tells the next daemon.
            Failure stopped = Failures.Broken(Stage.Commit, "the daemon stopped");
            outcomes = [.. trip.Going.Select(one => new MoveOutcome.NotMoved(new StageTimes(), stopped, one.Before.Epoch))];
        }
        List<MigrateReply> replies = [.. trip.Going.Zip(outcomes, (one, outcome) => outcome switch
        {
            MoveOutcome.Moved moved => Arrived(one, moved),
            MoveOutcome.NotMoved stayed => Stayed(one, stayed),
            MoveOutcome.Left left => Stayed(one, new MoveOutcome.NotMoved(left.Times, Failures.Broken(Stage.Freeze, one.Process.HasEnded
                ? "it has ended"
                : $"it shares no memory with process {trip.Process.Pid} any more"), left.EpochInForce)),
            _ => throw new InvalidOperationException(),
        })];
        return replies[0];
    }

    /// <summary>The one that was asked for leads: it is what the reply is about. Who is home already, where it must go, hinders nobody.</summary>
    private IEnumerable<JobProcess> Movable(Trip trip, Group group) =>
        [trip.Process, .. group.Members.Where(member => member != trip.Process && (trip.To != options.Node || member.Residence.Node == trip.From))];

    /// <summary>One move, of one process or of its group.</summary>
    /// <param name="Before">Of the process that was asked for.</param>
    private sealed record Trip(JobProcess Process, Residence Before, string To, string Reason, Entered Entered)
    {
        public string From => Before.Node;

        /// <summary>In the order of the outcomes.</summary>
        public List<Going> Going { get; } = [];

        /// <summary>Of Going: they go on where they were.</summary>
        public HashSet<JobProcess> Left { get; } = [];
    }

    /// <summary>A process on its way.</summary>
    private sealed record Going(JobProcess Process, string Name, Residence Before, MoveOrder Order);

    /// <summary>Those that no other move touches until this is disposed.</summary>
    private sealed class Entered(Mover mover) : IDisposable
    {
        private readonly Dictionary<JobProcess, IDisposable> _gates = [];
        private readonly TaskCompletionSource _over = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public bool Has(JobProcess process) => _gates.ContainsKey(process);

        public async Task AddAsync(JobProcess process, CancellationToken cancellationToken) =>
            _gates.Add(process, await mover._gate.EnterAsync(process, cancellationToken).ConfigureAwait(false));

        public void Leaves(JobProcess process) => mover._active[process] = _over.Task;

        public void Dispose()
        {
            foreach (JobProcess process in _gates.Keys)
                mover._active.TryRemove(process, out _);
            _over.SetResult();
            foreach (IDisposable gate in _gates.Values)
                gate.Dispose();
        }
    }

    private MoveOrder Leave(JobProcess process, Trip trip)
    {
        Residence before = process.Residence;
        ulong key = before.Key != 0 ? before.Key : NewKey();
        var order = new MoveOrder(
            key, before.Epoch, process.NextEpoch(before), process.Pid, before.Place == Place.Native, trip.To == options.Node, nodes.For(before.Node), nodes.For(trip.To));
        var going = new Going(process, $"{ProcessStat.Read(process.Pid)?.Name ?? "process"} ({process.Pid})", before, order);
        trip.Going.Add(going);
        trip.Entered.Leaves(process);
        process.Residence = new Residence(Place.Moving, before.Node, key, before.Epoch);
        jobs.Save(process);
        LogMoving(key.ToString("x16"), process.Pid, trip.From, trip.To, trip.Reason);
        Tell(process, new WatchEvent { Kind = "moving", Text = $"{going.Name} leaves {trip.From} for {trip.To}: {trip.Reason}", From = trip.From, To = trip.To });
        return order;
    }

    /// <summary>Those who stand cannot be joined any more, but through one who does not stand yet: who has joined them is entered and goes along.</summary>
    private async Task<Outcome<GroupSight>> LookAsync(Trip trip, IReadOnlySet<ulong> ended, CancellationToken cancellationToken)
    {
        foreach (JobProcess process in trip.Going.Where(one => ended.Contains(one.Order.Key)).Select(one => one.Process))
        {
            Task changed = process.Changed;
            // A body that is no more ends its deputy.
            if (!process.HasEnded && process.Residence.Place == Place.Moving)
                await changed.WithinAsync(MoveDeadlines.Standing, time, cancellationToken).ConfigureAwait(false);
        }
        Group group = await groups.OfAsync(trip.Process, cancellationToken).ConfigureAwait(false);
        if (GroupHindrance(trip.Process, trip, group) is { } whole)
            return whole;
        List<JobProcess> members = [.. Movable(trip, group)];
        if (members.Find(trip.Left.Contains) is { } again)
            return Failures.Broken(Stage.Freeze, $"process {again.Pid} shares its memory again");
        List<JobProcess> joining = [.. members.Where(member => trip.Going.All(one => one.Process != member))];
        foreach (JobProcess member in joining)
        {
            if (!await EnterStandingAsync(trip, member, cancellationToken).ConfigureAwait(false))
                return Failures.Broken(Stage.Freeze, $"process {member.Pid}, which shares its memory, is being moved");
        }
        joining.RemoveAll(member => member.HasEnded);
        foreach (JobProcess member in joining)
        {
            if ((Hindrance(member, member.Residence, trip.To) ?? GroupHindrance(member, trip, group)) is { } hindrance)
                return hindrance;
        }
        List<Going> left = [.. trip.Going.Where(one => !members.Contains(one.Process))];
        trip.Left.UnionWith(left.Select(one => one.Process));
        Failure? unshared = group.Refusal is { } refusal ? Failures.Refused(Stage.Freeze, refusal)
            : group.Members.Except(members).FirstOrDefault() is { } home ? Elsewhere(home) // what a body brings home would be written over what is there
            : null;
        return new GroupSight([.. joining.Select(member => Leave(member, trip))], left.Select(one => one.Order.Key).ToHashSet(), group.Memory, unshared);
    }

    /// <summary>Out of turn, because the others stand already: two moves that wait for each other's do so for a while only.</summary>
    private async Task<bool> EnterStandingAsync(Trip trip, JobProcess process, CancellationToken cancellationToken)
    {
        if (trip.Entered.Has(process))
            return true;
        using var limit = new CancellationTokenSource(MoveDeadlines.Standing, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        try
        {
            await trip.Entered.AddAsync(process, either.Token).ConfigureAwait(false);
            return true;
        }
        catch (OperationCanceledException)
        {
            return false;
        }
    }

    private static Failure Elsewhere(JobProcess member) =>
        Failures.Broken(Stage.Freeze, $"process {member.Pid}, which shares its memory, is on {member.Residence.Node}");

    private static Failure? GroupHindrance(JobProcess member, Trip trip, Group group) =>
        group.Unknown
        ?? (member != trip.Process && (member.Residence.Place != trip.Before.Place || member.Residence.Node != trip.From) ? Elsewhere(member)
            : group.Refusal is { } refusal && trip.Before.Place == Place.Native ? Failures.Refused(Stage.Freeze, refusal) : null);

    private Failure? Hindrance(JobProcess process, Residence before, string node)
    {
        if (process.HasEnded)
            return Failures.Broken(Stage.Freeze, $"process {process.Pid} has ended");
        if (before.Place == Place.Moving)
            return Failures.Broken(Stage.Freeze, "how its last move ended is not known yet: the warden does not answer");
        if (before.Node == node)
            return Failures.Refused(Stage.Freeze, Refusals.Make("already-there", $"it is on {node}", "choose another node"));
        if (errands.WaitsAt(before.Key) is { } waitsAt)
            return Failures.Broken(Stage.Freeze, $"node {waitsAt}, where the process is, does not answer; it goes on when it does");
        if (node == options.Node)
            return null;
        if (cluster.Find(node) is not { } target)
            return Failures.Refused(Stage.Restore, Refusals.Make("unknown-node", $"node {node}", "`omctl nodes` lists the nodes"));
        return target.Alive
            ? null
            : Failures.Refused(Stage.Restore, Refusals.Make("node-down", $"node {node}", "it does not answer: choose another node, or wait until it does"));
    }

    private MigrateReply Arrived(Going going, MoveOutcome.Moved moved)
    {
        (JobProcess process, string name, Residence before, MoveOrder order) = going;
        string to = order.Target.Node;
        process.BodyBytes = moved.BodyBytes;
        process.Moves++;
        process.LastMove = $"moved {before.Node} → {to}: {Words(moved.Times)}";
        Settle(process, order.ToHome ? Residence.AtHome(options.Node) : new Residence(Place.Away, to, order.Key, order.Epoch));
        LogMoved(order.Key.ToString("x16"), process.Pid, before.Node, to, moved.Times.Bytes, moved.Times.StallUs);
        Tell(process, new WatchEvent
        {
            Kind = order.ToHome ? "returned" : "moved",
            Text = $"{name} runs on {to}: {Words(moved.Times)}",
            Times = moved.Times,
            From = before.Node,
            To = to,
        });
        return new MigrateReply { Moved = true, From = before.Node, To = to, Times = moved.Times };
    }

    private MigrateReply Stayed(Going going, MoveOutcome.NotMoved stayed)
    {
        (JobProcess process, string name, Residence before, MoveOrder order) = going;
        string to = order.Target.Node;
        bool refused = stayed.Failure.Refusal is not null;
        string why = $"{stayed.Failure.Stage}: {stayed.Failure.Message}";
        process.LastMove = $"{(refused ? "refused" : "failed")} {before.Node} → {to}: {why}";
        Settle(process, order.FromHome ? Residence.AtHome(options.Node) : before with { Epoch = stayed.EpochInForce });
        LogStayed(order.Key.ToString("x16"), process.Pid, before.Node, to, why);
        Tell(process, new WatchEvent
        {
            Kind = refused ? "refused" : "failed",
            Text = $"{name} stays on {before.Node}: {why}",
            Times = stayed.Times,
            From = before.Node,
            To = to,
        });
        return new MigrateReply { From = before.Node, To = to, Times = stayed.Times, Failure = stayed.Failure };
    }

    // A process that came home by itself meanwhile (execve) is there already, and stays.
    private void Settle(JobProcess process, Residence residence)
    {
        if (process.Residence.Place == Place.Moving)
            process.Residence = residence;
        jobs.Save(process);
    }

    private void Tell(JobProcess process, WatchEvent happened)
    {
        happened.Pid = process.Pid;
        feed.Publish(happened, process.Job.Uid);
    }

    private static string Words(StageTimes times) => $"{times.Bytes / (double)(1 << 20):F1} MiB, stalled {times.StallUs / 1000.0:F1} ms";

    private static ulong NewKey()
    {
        Span<byte> key = stackalloc byte[sizeof(ulong)];
        do
            RandomNumberGenerator.Fill(key);
        while (BitConverter.ToUInt64(key) == 0);
        return BitConverter.ToUInt64(key);
    }

    [LoggerMessage(540, LogLevel.Information, "key {Key}: pid {Pid} moves from {From} to {To}: {Reason}")]
    private partial void LogMoving(string key, int pid, string from, string to, string reason);

    [LoggerMessage(541, LogLevel.Information, "key {Key}: pid {Pid} moved from {From} to {To}: {Bytes} bytes, stalled {StallUs} µs")]
    private partial void LogMoved(string key, int pid, string from, string to, ulong bytes, ulong stallUs);

    [LoggerMessage(542, LogLevel.Warning, "key {Key}: pid {Pid} did not move from {From} to {To}: {Why}")]
    private partial void LogStayed(string key, int pid, string from, string to, string why);
}
