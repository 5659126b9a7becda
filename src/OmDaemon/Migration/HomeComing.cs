// Bodies that have to go home: at home, a Return that another node or its own warden asks for; on a hosting node, asking the home for it until it
// is done. The body waits meanwhile, so it is asked again as long as the body is here.
using System.Collections.Concurrent;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using OpenMosix.Daemon.Cluster;
using OpenMosix.Daemon.Hosting;
using OpenMosix.Daemon.Jobs;
using OpenMosix.Daemon.Warden;
using OpenMosix.Grpc;
using OpenMosix.Protocol.V1;

namespace OpenMosix.Daemon.Migration;

internal sealed partial class HomeComing(
    Mover mover, LocalNode node, Guests guests, JobRegistry jobs, IPeerChannels channels, DaemonOptions options, TimeProvider time, ILogger<HomeComing> log)
    : IWardenListener, IHostedService, IDisposable
{
    private static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(30);

    private readonly CancellationTokenSource _stopping = new();
    private readonly ConcurrentDictionary<ulong, bool> _asking = new();

    /// <summary>At home. Null: it is home.</summary>
    public async Task<Failure?> BringAsync(JobProcess process, string reason, CancellationToken cancellationToken)
    {
        MigrateReply reply = await mover.MoveAsync(process, options.Node, reason, cancellationToken).ConfigureAwait(false);
        return process.Residence.Place == Place.Native ? null : reply.Failure;
    }

    /// <summary>On a hosting node: asks the home of a guest once to take it back.</summary>
    public async Task<bool> SendHomeAsync(ulong key, string reason, CancellationToken cancellationToken) =>
        guests.Find(key) is { } guest && await AskHomeAsync(guest, reason).WaitAsync(cancellationToken).ConfigureAwait(false);

    public Task WardenConnectedAsync(WardenStatusReply status, CancellationToken cancellationToken)
    {
        foreach (HeldProcess held in status.Processes.Where(held => held.BringHome.Length > 0))
            Ask(held.Key, held.BringHome);
        return Task.CompletedTask;
    }

    public async Task WardenSaidAsync(FromWarden happened, CancellationToken cancellationToken)
    {
        switch (happened.EventCase)
        {
            case FromWarden.EventOneofCase.BringHome:
                Ask(happened.BringHome.Key, happened.BringHome.Reason);
                break;
            case FromWarden.EventOneofCase.Ended when guests.Find(happened.Ended.Key) is { } guest:
                await node.EndedAsync(guest.Key).ConfigureAwait(false);
                _ = TellEndedAsync(guest, happened.Ended);
                break;
            case FromWarden.EventOneofCase.WentOn when jobs.FindByKey(happened.WentOn.Key) is { } process:
                LogWentOn(happened.WentOn.Key.ToString("x16"), process.Pid);
                string was = process.Residence.Node;
                process.Residence = Residence.AtHome(options.Node);
                jobs.Save(process);
                if (process.Job.Follow)
                    _ = mover.MoveAsync(process, was, "follows its job", _stopping.Token); // what comes of it is in the log
                break;
            case FromWarden.EventOneofCase.Began when happened.Began.Process is { Role: HeldProcess.Types.Role.Deputy } held
                && jobs.AdoptForked(happened.Began.ParentKey, held.Pid) is { } forked:
                LogForked(held.Key.ToString("x16"), forked.Pid, held.Peer);
                if (forked.Residence.Key != held.Key) // known by a status already, and perhaps on its way since
                {
                    forked.Residence = new Residence(Place.Away, held.Peer, held.Key, held.Epoch);
                    jobs.Save(forked);
                }
                break;
            case FromWarden.EventOneofCase.Link when happened.Link.Up:
                LogLinkUp(happened.Link.Node);
                break;
            case FromWarden.EventOneofCase.Link:
                LogLinkDown(happened.Link.Node, happened.Link.Why);
                break;
        }
    }

    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StopAsync(CancellationToken cancellationToken) => _stopping.CancelAsync();

    public void Dispose() => _stopping.Dispose();

    private void Ask(ulong key, string reason)
    {
        if (_asking.TryAdd(key, true))
            _ = AskUntilGoneAsync(key, reason);
    }

    private async Task AskUntilGoneAsync(ulong key, string reason)
    {
        TimeSpan pause = FirstPause;
        try
        {
            while (!await IsDoneAsync(key, reason).ConfigureAwait(false))
            {
                await Task.Delay(pause, time, _stopping.Token).ConfigureAwait(false);
                pause = pause * 2 < LongestPause ? pause * 2 : LongestPause;
            }
        }
        catch (OperationCanceledException)
        {
            // The daemon stops; the warden says it again to the next one.
        }
        finally
        {
            _asking.TryRemove(key, out _);
        }
    }

    private async Task<bool> IsDoneAsync(ulong key, string reason) =>
        guests.Find(key) is { } guest ? await AskHomeAsync(guest, reason).ConfigureAwait(false)
        : jobs.FindByKey(key) is not { Residence.Place: not Place.Native } process || await BringAsync(process, reason, _stopping.Token).ConfigureAwait(false) is null;

    private async Task<bool> AskHomeAsync(Guest guest, string reason)
    {
        LogAsking(guest.Key.ToString("x16"), guest.Home, reason);
        try
        {
            if (channels.For(guest.Home) is not { } home)
                return false;
            await home.CallAsync(
                MigrationCalls.RequestReturn, new ReturnRequest { Key = guest.Key, Reason = reason }, new CallOptions(MoveDeadlines.Return), _stopping.Token).ConfigureAwait(false);
            return true;
        }
        catch (RpcException said)
        {
            LogNotBrought(guest.Key.ToString("x16"), guest.Home, said.Status.ToString());
            return false;
        }
    }

    private async Task TellEndedAsync(Guest guest, ProcessEnded ended)
    {
        try
        {
            if (channels.For(guest.Home) is { } home)
            {
                var request = new EndedRequest { Key = ended.Key, WaitStatus = ended.WaitStatus, Why = ended.Why };
                await home.CallAsync(MigrationCalls.Ended, request, new CallOptions(MoveDeadlines.Short), _stopping.Token).ConfigureAwait(false);
            }
        }
        catch (Exception untold) when (untold is RpcException or OperationCanceledException)
        {
            // For the log only: home's warden ends the deputy.
        }
    }

    [LoggerMessage(560, LogLevel.Information, "key {Key}: asking its home {Home} to take it back: {Reason}")]
    private partial void LogAsking(string key, string home, string reason);

    [LoggerMessage(561, LogLevel.Warning, "key {Key}: its home {Home} has not taken it back: {Why}")]
    private partial void LogNotBrought(string key, string home, string why);

    [LoggerMessage(562, LogLevel.Information, "key {Key}: pid {Pid} executes natively at home again")]
    private partial void LogWentOn(string key, int pid);

    [LoggerMessage(565, LogLevel.Information, "key {Key}: pid {Pid} was forked on {Node}")]
    private partial void LogForked(string key, int pid, string node);

    [LoggerMessage(563, LogLevel.Information, "link to {Node} is up")]
    private partial void LogLinkUp(string node);

    [LoggerMessage(564, LogLevel.Warning, "link to {Node} is down: {Why}")]
    private partial void LogLinkDown(string node, string why);
}
