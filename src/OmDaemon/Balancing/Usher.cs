// Carries out memory ushering: sleeps while no process is here that could leave; else wakes by the kernel's notifications and by a timer; measures, asks the
// policy (MemoryUshering), moves. A few moves at a time; what they will free is counted already.
using System.Collections.Concurrent;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using OpenMosix.Daemon.Cluster;
using OpenMosix.Daemon.Control;
using OpenMosix.Daemon.Hosting;
using OpenMosix.Daemon.Jobs;
using OpenMosix.Daemon.Migration;
using OpenMosix.Protocol.V1;

namespace OpenMosix.Daemon.Balancing;

internal sealed partial class Usher(
    JobRegistry jobs, Guests guests, Mover mover, HomeComing homeComing, IClusterView cluster, ILoadReader load, IEventFeed feed, PressureWatch pressure, IWork work,
    DaemonOptions options, OptionsReload reload, TimeProvider time, ILogger<Usher> log) : BackgroundService
{
    private const int AtOnce = 2;

    private static readonly TimeSpan Calm = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan Short = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan StuckAgain = TimeSpan.FromSeconds(10);

    private readonly Growth _growth = new();
    private readonly Reluctance _reluctance = new();
    private readonly ConcurrentDictionary<CandidateId, (ulong Bytes, string Target)> _leaving = new();
    private readonly Lock _lock = new();
    private volatile bool _wanted = options.Ushering;
    private DateTimeOffset _stuckTold;

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        void OnReload(DaemonOptions changed) => _wanted = changed.Ushering;
        reload.Changed += OnReload;
        LogSources(pressure.Sources);
        try
        {
            bool isShort = false;
            while (!stoppingToken.IsCancellationRequested)
            {
                Task began = work.Began;
                if (!work.Any)
                    await began.WaitAsync(stoppingToken).ConfigureAwait(false);
                await NextAsync(isShort, stoppingToken).ConfigureAwait(false);
                isShort = _wanted && Look(stoppingToken);
            }
        }
        catch (OperationCanceledException)
        {
            // The daemon stops; the mover ends what is under way.
        }
        finally
        {
            reload.Changed -= OnReload;
        }
    }

    // The kernel's word that memory may be short, or a look by the clock: a process grows without a word.
    private async Task NextAsync(bool isShort, CancellationToken stoppingToken)
    {
        using var timer = new CancellationTokenSource(isShort ? Short : Calm, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(timer.Token, stoppingToken);
        try
        {
            await pressure.Signals.ReadAsync(either.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (!stoppingToken.IsCancellationRequested)
        {
        }
    }

    /// <returns>Whether memory is short.</returns>
    private bool Look(CancellationToken stoppingToken)
    {
        Load now = load.Read();
        _growth.Note(time.GetUtcNow(), now.MemoryAvailableBytes);
        if (_leaving.Count >= AtOnce)
            return true;
        switch (MemoryUshering.Decide(View(now)))
        {
            case UsherDecision.Send send:
                LogSends(send.Process.Name, send.Target, send.Why);
                Tell("pressure", send.Process.Id.Pid, $"{send.Why}: {send.Process.Name} leaves for {send.Target}", send.Target);
                _leaving[send.Process.Id] = (send.Process.FreesBytes, send.Target);
                _ = SendAsync(send, stoppingToken);
                return true;
            case UsherDecision.Stuck stuck:
                if (time.GetUtcNow() - _stuckTold > StuckAgain)
                {
                    _stuckTold = time.GetUtcNow();
                    LogStuck(stuck.Why);
                    Tell("pressure", 0, stuck.Why, "");
                }
                return true;
            default:
                return false;
        }
    }

    private UsherView View(Load now)
    {
        DateTimeOffset at = time.GetUtcNow();
        jobs.Refresh();
        Candidate[] candidates;
        lock (_lock)
        {
            candidates = [.. Candidates()];
            _reluctance.Keep(candidates.Select(candidate => candidate.Id).Concat(_leaving.Keys).Concat(jobs.Processes.Select(process => new CandidateId(process.Pid, 0))).ToHashSet());
        }
        NodeInfo self = cluster.Self;
        return new UsherView(
            at,
            new NodeRoom(self.Node, now.MemoryTotalBytes, now.MemoryAvailableBytes, now.MemoryPressure, true, at),
            _growth.BytesPerSecond,
            _leaving.Values.Aggregate(0UL, (sum, one) => sum + one.Bytes),
            [.. cluster.Nodes.Where(node => node.Alive && node.Info.Node != self.Node && node.Info.Load is not null).Select(Room)],
            candidates);
    }

    private NodeRoom Room(NodeStatus node)
    {
        Load load = node.Info.Load;
        ulong promised = _leaving.Values.Where(one => one.Target == node.Info.Node).Aggregate(0UL, (sum, one) => sum + one.Bytes);
        // By our own clock, because clocks differ between nodes.
        DateTimeOffset heard = time.GetUtcNow() - TimeSpan.FromMilliseconds(node.SilentMs);
        return new NodeRoom(node.Info.Node, load.MemoryTotalBytes, load.MemoryAvailableBytes, load.MemoryPressure, node.Info.Accepts, heard, promised);
    }

    private IEnumerable<Candidate> Candidates()
    {
        foreach (JobProcess process in jobs.Processes)
        {
            var id = new CandidateId(process.Pid, 0);
            if (process.Residence.Place == Place.Native && !process.Job.Stay && !_leaving.ContainsKey(id))
                yield return Of(id, $"{ProcessStat.Read(process.Pid)?.Name ?? "process"} ({process.Pid})", ProcessMemory.PrivateBytes(process.Pid), null);
        }
        foreach (Guest guest in guests.All)
        {
            var id = new CandidateId(0, guest.Key);
            if (guest.State == GuestState.Running && !_leaving.ContainsKey(id))
                yield return Of(id, $"{guest.Name} of {guest.Home} ({guest.HomePid})", guest.Bytes, guest.Home);
        }
    }

    private Candidate Of(CandidateId id, string name, ulong bytes, string? onlyTo) =>
        new(id, name, bytes, onlyTo, _reluctance.NotBefore(id), _reluctance.SettledAt(id));

    private async Task SendAsync(UsherDecision.Send send, CancellationToken stoppingToken)
    {
        CandidateId id = send.Process.Id;
        bool moved = false;
        try
        {
            moved = id.Key != 0
                ? await homeComing.SendHomeAsync(id.Key, send.Why, stoppingToken).ConfigureAwait(false)
                : jobs.Find(id.Pid) is { } process && (await mover.MoveAsync(process, send.Target, send.Why, stoppingToken).ConfigureAwait(false)).Moved;
        }
        catch (OperationCanceledException)
        {
            // The daemon stops.
        }
        catch (Exception bug)
        {
            LogBug(send.Process.Name, bug);
        }
        lock (_lock)
        {
            if (moved)
                _reluctance.Moved(id, time.GetUtcNow());
            else
                _reluctance.Failed(id, time.GetUtcNow());
        }
        _leaving.TryRemove(id, out _);
    }

    private void Tell(string kind, int pid, string text, string target) => feed.Publish(new WatchEvent { Kind = kind, Pid = pid, Text = text, From = options.Node, To = target });

    [LoggerMessage(610, LogLevel.Information, "{Why}: {Process} is sent to {Target}")]
    private partial void LogSends(string process, string target, string why);

    [LoggerMessage(611, LogLevel.Warning, "{Why}")]
    private partial void LogStuck(string why);

    [LoggerMessage(612, LogLevel.Error, "sending {Process} away failed")]
    private partial void LogBug(string process, Exception bug);

    [LoggerMessage(613, LogLevel.Debug, "memory pressure: {Sources} sources of notifications")]
    private partial void LogSources(int sources);
}
