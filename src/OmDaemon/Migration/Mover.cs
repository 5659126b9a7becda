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
        (Group group, List<IDisposable> entered) = await EnterAsync(process, either.Token).ConfigureAwait(false);
        try
        {
            Task<MigrateReply> move = MoveInsideAsync(process, group, node, reason, either.Token);
            foreach (JobProcess member in group.Members)
                _active[member] = move;
            return await move.ConfigureAwait(false);
        }
        finally
        {
            foreach (JobProcess member in group.Members)
                _active.TryRemove(member, out _);
            entered.ForEach(one => one.Dispose());
        }
    }

    /// <summary>Its group as it is once all of it is entered: by pid, so that nobody waits in a circle.</summary>
    private async Task<(Group Group, List<IDisposable> Entered)> EnterAsync(JobProcess process, CancellationToken cancellationToken)
    {
        var group = new Group([process], [], null);
        while (true)
        {
            List<IDisposable> entered = [];
            try
            {
                foreach (JobProcess member in group.Members)
                    entered.Add(await _gate.EnterAsync(member, cancellationToken).ConfigureAwait(false));
                Group now = await groups.OfAsync(process, cancellationToken).ConfigureAwait(false);
                if (now.Members.SequenceEqual(group.Members))
                    return (now, entered);
                group = now;
            }
            catch
            {
                entered.ForEach(one => one.Dispose());
                throw;
            }
            entered.ForEach(one => one.Dispose());
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

    private async Task<MigrateReply> MoveInsideAsync(JobProcess process, Group group, string node, string reason, CancellationToken givenUp)
    {
        // The one that was asked for leads: it is what the reply is about. Who is home already, where it must go, hinders nobody.
        string from = process.Residence.Node;
        List<JobProcess> members = [process, .. group.Members.Where(member => member != process && (node != options.Node || member.Residence.Node == from))];
        foreach (JobProcess member in members)
        {
            if ((Hindrance(member, member.Residence, node) ?? GroupHindrance(member, process, group)) is { } hindrance)
                return new MigrateReply { From = from, To = node, Failure = hindrance };
        }

        List<Going> going = [.. members.Select(member => Leave(member, node, group.Memory))];
        foreach (Going one in going)
        {
            LogMoving(one.Order.Key.ToString("x16"), one.Process.Pid, from, node, reason);
            Tell(one.Process, new WatchEvent { Kind = "moving", Text = $"{one.Name} leaves {from} for {node}: {reason}", From = from, To = node });
        }

        IReadOnlyList<MoveOutcome> outcomes;
        try
        {
            outcomes = await new Move([.. going.Select(one => one.Order)], token => WholeAsync(process, group, members, token), deputy, errands, faults, time)
                .ConductAsync(givenUp, _stopping.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            // The daemon had to stop before home's warden could answer: the warden undoes, and its status tells the next daemon.
            Failure stopped = Failures.Broken(Stage.Commit, "the daemon stopped");
            outcomes = [.. going.Select(one => new MoveOutcome.NotMoved(new StageTimes(), stopped, one.Before.Epoch))];
        }
        List<MigrateReply> replies = [.. going.Zip(outcomes, (one, outcome) => outcome switch
        {
            MoveOutcome.Moved moved => Arrived(one, moved),
            MoveOutcome.NotMoved stayed => Stayed(one, stayed),
            _ => throw new InvalidOperationException(),
        })];
        return replies[0];
    }

    /// <summary>A process on its way.</summary>
    private sealed record Going(JobProcess Process, string Name, Residence Before, MoveOrder Order);

    private Going Leave(JobProcess process, string node, IReadOnlyList<SharedMemory> memory)
    {
        Residence before = process.Residence;
        bool native = before.Place == Place.Native;
        ulong key = before.Key != 0 ? before.Key : NewKey();
        var order = new MoveOrder(
            key, before.Epoch, process.NextEpoch(before), process.Pid, native, node == options.Node, nodes.For(before.Node), nodes.For(node), native ? memory : []);
        process.Residence = new Residence(Place.Moving, before.Node, key, before.Epoch);
        jobs.Save(process);
        return new Going(process, $"{ProcessStat.Read(process.Pid)?.Name ?? "process"} ({process.Pid})", before, order);
    }

    /// <summary>Once all stand still nobody can join them any more.</summary>
    private async Task<Failure?> WholeAsync(JobProcess process, Group group, List<JobProcess> members, CancellationToken cancellationToken)
    {
        // What a body brings home would be written over what is there.
        if (group.Members.Except(members).FirstOrDefault() is { } home)
            return Failures.Broken(Stage.Freeze, $"process {home.Pid}, which shares its memory, is on {home.Residence.Node}");
        Group now = await groups.OfAsync(process, cancellationToken).ConfigureAwait(false);
        return now.Unknown ?? (now.IsStill(group) ? null : Failures.Broken(Stage.Freeze, "who shares its memory has changed meanwhile"));
    }

    private static Failure? GroupHindrance(JobProcess member, JobProcess process, Group group) =>
        group.Unknown ?? (member.Residence.Place != process.Residence.Place || member.Residence.Node != process.Residence.Node
            ? Failures.Broken(Stage.Freeze, $"process {member.Pid}, which shares its memory, is on {member.Residence.Node}")
            : group.Refusal is { } refusal && process.Residence.Place == Place.Native ? Failures.Refused(Stage.Freeze, refusal) : null);

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
