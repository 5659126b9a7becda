// Moves processes whose home this is: one move at a time for each, different ones side by side. Knows what to say about a move: the event feed, the
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
    JobRegistry jobs, MoveNodes nodes, HomeDeputy deputy, Errands errands, FaultPoints faults, IWarden warden, IClusterView cluster,
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
        using IDisposable entered = await _gate.EnterAsync(process, either.Token).ConfigureAwait(false);
        Task<MigrateReply> move = MoveInsideAsync(process, node, reason, either.Token);
        _active[process] = move;
        try
        {
            return await move.ConfigureAwait(false);
        }
        finally
        {
            _active.TryRemove(process, out _);
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

    private async Task<MigrateReply> MoveInsideAsync(JobProcess process, string node, string reason, CancellationToken givenUp)
    {
        Residence before = process.Residence;
        if (Hindrance(process, before, node) is { } hindrance)
            return new MigrateReply { From = before.Node, To = node, Failure = hindrance };

        ulong key = before.Key != 0 ? before.Key : NewKey();
        uint epoch = process.NextEpoch(before);
        var order = new MoveOrder(key, before.Epoch, epoch, process.Pid, before.Place == Place.Native, node == options.Node, nodes.For(before.Node), nodes.For(node));
        string name = $"{ProcessStat.Read(process.Pid)?.Name ?? "process"} ({process.Pid})";
        process.Residence = new Residence(Place.Moving, before.Node, key, before.Epoch);
        jobs.Save(process);
        LogMoving(key.ToString("x16"), process.Pid, before.Node, node, reason);
        Tell(process, new WatchEvent { Kind = "moving", Text = $"{name} leaves {before.Node} for {node}: {reason}", From = before.Node, To = node });

        MoveOutcome outcome;
        try
        {
            outcome = await new Move(order, deputy, errands, faults, time).ConductAsync(givenUp, _stopping.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            // The daemon had to stop before home's warden could answer: the warden undoes, and its status tells the next daemon.
            outcome = new MoveOutcome.NotMoved(new StageTimes(), Failures.Broken(Stage.Commit, "the daemon stopped"), before.Epoch);
        }
        return outcome switch
        {
            MoveOutcome.Moved moved => Arrived(process, name, order, before, moved),
            MoveOutcome.NotMoved stayed => Stayed(process, name, order, before, stayed),
            _ => throw new InvalidOperationException(),
        };
    }

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

    private MigrateReply Arrived(JobProcess process, string name, MoveOrder order, Residence before, MoveOutcome.Moved moved)
    {
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

    private MigrateReply Stayed(JobProcess process, string name, MoveOrder order, Residence before, MoveOutcome.NotMoved stayed)
    {
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
