// This node as one end of a move: for its own daemon, which conducts moves of processes whose home this is, and for other homes through
// MigrationMethods. Whoever calls has the right to; what they send has not been checked. One step at a time for each key, save that Abort
// breaks a Restore off, and so does the loss of the warden, which has undone it. What a home does not go on with is undone when its lease ends.
using System.Collections.Concurrent;
using System.Diagnostics;
using Microsoft.Extensions.Logging;
using OpenMosix.Checkpoint.Pages;
using OpenMosix.Daemon.Cluster;
using OpenMosix.Daemon.Hosting;
using OpenMosix.Daemon.Ship;
using OpenMosix.Daemon.Warden;
using OpenMosix.Protocol.Errors;
using OpenMosix.Protocol.V1;

namespace OpenMosix.Daemon.Migration;

/// <summary>Null: the image can be used; else what is wrong with it. (OmProtocol's ImageValidation.)</summary>
internal delegate string? ImageCheck(ProcessImage image);

internal sealed partial class LocalNode(
    IWarden warden, IPageShip pages, Guests guests, ILoadReader load, IClusterView cluster, ImageCheck check, FaultPoints faults,
    DaemonOptions options, TimeProvider time, ILogger<LocalNode> log) : IMoveNode, IWardenListener
{
    private const int ESRCH = 3;

    private readonly KeyedGate<ulong> _gate = new();
    private readonly ConcurrentDictionary<ulong, (uint Epoch, CancellationTokenSource Given)> _restores = new();

    public string Node => options.Node;

    public Task<Step<FreezeReply>> FreezeAsync(FreezeRequest request, int pid, CancellationToken cancellationToken) =>
        EnteredAsync(request.Key, Stage.Freeze, () => FreezeInsideAsync(request, pid, cancellationToken), cancellationToken);

    public Task<Step<SnapshotReply>> SnapshotAsync(SnapshotRequest request, int pid, CancellationToken cancellationToken) =>
        EnteredAsync(request.Key, Stage.Snapshot, () => SnapshotInsideAsync(request, pid, cancellationToken), cancellationToken);

    public Task<Step<MoveReply>> ThawAsync(KeyRequest request, CancellationToken cancellationToken) =>
        EnteredAsync(request.Key, Stage.Freeze, () => ThawInsideAsync(request), cancellationToken);

    public Task<Step<RestoreReply>> RestoreAsync(RestoreRequest request, CancellationToken cancellationToken) =>
        RestoreAsync(request, options.Node, null, cancellationToken);

    /// <param name="home">Who conducts; this node for a Return.</param>
    /// <param name="ahead">Home's clocks less ours; null: as the image tells.</param>
    public Task<Step<RestoreReply>> RestoreAsync(RestoreRequest request, string home, ClockOffsets? ahead, CancellationToken cancellationToken)
    {
        if (request.Image is null || request.Key == 0 || request.Epoch == 0)
            return Task.FromResult(Step<RestoreReply>.Refused(Failures.Broken(Stage.Restore, "the request has no image, key or epoch")));
        if (check(request.Image) is { } wrong)
            return Task.FromResult(Step<RestoreReply>.Refused(Failures.Broken(Stage.Restore, $"the image is not valid: {wrong}")));
        return EnteredAsync(request.Key, Stage.Restore, () => RestoreAdmittedAsync(request, home, ahead, cancellationToken), cancellationToken);
    }

    public Task<Step<MoveReply>> RunAsync(RunRequest request, CancellationToken cancellationToken) =>
        EnteredAsync(request.Key, Stage.Commit, () => RunInsideAsync(request, cancellationToken), cancellationToken);

    public async Task<Step<MoveReply>> AbortAsync(KeyRequest request, CancellationToken cancellationToken)
    {
        if (_restores.TryGetValue(request.Key, out (uint Epoch, CancellationTokenSource Given) restore))
        {
            if (restore.Epoch > request.Epoch)
                return new MoveReply();
            await CancelAsync(restore.Given).ConfigureAwait(false);
        }
        return await EnteredAsync(
            request.Key, Stage.Restore,
            async () => IsObsolete(request) ? new MoveReply() : await AbortInsideAsync(request.Key).ConfigureAwait(false), cancellationToken).ConfigureAwait(false);
    }

    public Task<Step<MoveReply>> DiscardAsync(KeyRequest request, CancellationToken cancellationToken) => EnteredAsync(
        request.Key, Stage.Forward,
        async () => IsObsolete(request) ? new MoveReply() : await DiscardInsideAsync(request.Key).ConfigureAwait(false), cancellationToken);

    /// <summary>The warden says that a guest has ended: nothing of it is left to undo.</summary>
    public Task EndedAsync(ulong key)
    {
        guests.Remove(key);
        return pages.ReleaseAsync(key);
    }

    public async Task WardenLostAsync(CancellationToken cancellationToken)
    {
        foreach ((_, CancellationTokenSource given) in _restores.Values)
            await CancelAsync(given).ConfigureAwait(false);
    }

    private async Task<Step<T>> EnteredAsync<T>(ulong key, string stage, Func<Task<Step<T>>> step, CancellationToken cancellationToken)
        where T : class
    {
        IDisposable entered;
        try
        {
            entered = await _gate.EnterAsync(key, cancellationToken).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            return Step<T>.NotSent(Failures.Broken(stage, "given up"));
        }
        using (entered)
            return await step().ConfigureAwait(false);
    }

    private async Task<Step<FreezeReply>> FreezeInsideAsync(FreezeRequest request, int pid, CancellationToken cancellationToken)
    {
        if (await faults.AtAsync(Stage.Freeze, cancellationToken).ConfigureAwait(false) is { } fault)
            return Step<FreezeReply>.Refused(fault);
        if (pid != 0)
            FileContents.Warm(pid); // what takes a while the first time is done before it stands still
        WardenAnswer answer = await warden.AskAsync(
            new ToWarden { Freeze = new WardenFreeze { Pid = pid, Key = request.Key, Returns = guests.Find(request.Key)?.Home == request.Target, Memory = { request.Memory } } }, MoveDeadlines.Freeze, time, cancellationToken).ConfigureAwait(false);
        Step<WardenFrozen> frozen = Steps.Of(answer, Stage.Freeze, reply => reply.Frozen);
        if (!frozen.Ok)
        {
            if (pid == 0 && frozen.Failure!.Errno == ESRCH)
                await CorrectAsync(request.Key).ConfigureAwait(false);
            return frozen.Cast<FreezeReply>();
        }
        if (pid == 0 && !guests.Set(request.Key, GuestState.Frozen))
            return Step<FreezeReply>.Refused(Failures.Broken(Stage.Freeze, "the body has ended", ESRCH));
        if (pid == 0)
            LeaseStanding(request.Key);
        return new FreezeReply { FreezeUs = frozen.Value!.FreezeUs };
    }

    private async Task<Step<SnapshotReply>> SnapshotInsideAsync(SnapshotRequest request, int pid, CancellationToken cancellationToken)
    {
        WardenAnswer answer = await warden.AskAsync(
            new ToWarden { Snapshot = new WardenSnapshot { Key = request.Key } }, MoveDeadlines.Freeze, time, cancellationToken).ConfigureAwait(false);
        Step<WardenDescribed> described = Steps.Of(answer, Stage.Snapshot, reply => reply.Described);
        if (!described.Ok)
            return described.Cast<SnapshotReply>();

        ProcessImage image = described.Value!.Image;
        Failure? failure = pages.Offer(request.Key, request.Epoch, image, described.Value.MemoryPid, request.Target).Failure
            ?? await faults.AtAsync(Stage.Snapshot, cancellationToken).ConfigureAwait(false);
        if (failure is null && pid == 0 && !guests.Set(request.Key, GuestState.Frozen))
            failure = Failures.Broken(Stage.Snapshot, "the body has ended", ESRCH);
        if (failure is not null)
        {
            await pages.ReleaseAsync(request.Key).ConfigureAwait(false);
            return Step<SnapshotReply>.Refused(failure);
        }
        if (pid == 0)
        {
            guests.SetBytes(request.Key, MemoryNeed.Of(image));
            LeaseStanding(request.Key);
        }
        return new SnapshotReply { Image = image, SnapshotUs = described.Value.SnapshotUs };
    }

    // One waits for the other until all of a group have been fetched; which those of this home are that belong together is not known here.
    private void LeaseStanding(ulong key)
    {
        string? home = guests.Find(key)?.Home;
        List<Guest> standing = [.. guests.All.Where(guest => guest.State == GuestState.Frozen && guest.Home == home)];
        TimeSpan together = MoveDeadlines.FrozenLease(standing.Select(guest => guest.Bytes));
        foreach (Guest one in standing)
            Lease(one.Key, together, () => ThawAsync(new KeyRequest { Key = one.Key }, CancellationToken.None));
    }

    private async Task<Step<RestoreReply>> RestoreAdmittedAsync(RestoreRequest request, string home, ClockOffsets? ahead, CancellationToken cancellationToken)
    {
        CellLimits? limits = null;
        if (home != options.Node)
        {
            // What an earlier move left here and was not discarded yet: the body went on long ago.
            if (guests.Find(request.Key) is { } left && left.Home == home && left.Epoch < request.Epoch)
                await DiscardInsideAsync(request.Key).ConfigureAwait(false);
            if (Admit(request, home, out limits) is { } refused)
                return Step<RestoreReply>.Refused(refused);
        }
        using var given = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        _restores[request.Key] = (request.Epoch, given);
        // The others of its group wait for it, too.
        foreach (Guest ready in guests.All.Where(guest => request.Beside != 0 && guest.State == GuestState.Ready && (guest.Key == request.Beside || guest.Leader == request.Beside)))
            LeaseReady(ready.Key, ready.Epoch, MoveDeadlines.Restore(request.Image) + MoveDeadlines.Lease);
        try
        {
            return await RestoreInsideAsync(request, home, limits, ahead, given.Token).ConfigureAwait(false);
        }
        finally
        {
            _restores.TryRemove(request.Key, out _);
        }
    }

    private async Task<Step<MoveReply>> RunInsideAsync(RunRequest request, CancellationToken cancellationToken)
    {
        if (guests.Find(request.Key) is { } guest && (guest.State != GuestState.Ready || guest.Epoch != request.Epoch))
            return Step<MoveReply>.Refused(Failures.Broken(Stage.Commit, $"nothing is ready here for epoch {request.Epoch}"));
        if (await faults.AtAsync(Stage.Commit, cancellationToken).ConfigureAwait(false) is { } fault)
            return Step<MoveReply>.Refused(fault);
        WardenAnswer answer = await warden.AskAsync(
            new ToWarden { Run = AsWarden(request) }, MoveDeadlines.Run, time, cancellationToken).ConfigureAwait(false);
        Step<MoveReply> ran = Done(answer, Stage.Commit);
        if (ran.Ok)
        {
            guests.EndLease(request.Key);
            guests.Set(request.Key, GuestState.Running);
        }
        return ran;
    }

    // Others of others are nobody's: whether home may order that was not looked at.
    private static WardenRun AsWarden(RunRequest request) => new()
    {
        Key = request.Key,
        Epoch = request.Epoch,
        Others = { request.Others.Select(other => new WardenRun { Key = other.Key, Epoch = other.Epoch }) },
    };

    private Failure? Admit(RestoreRequest request, string home, out CellLimits? limits)
    {
        limits = null;
        NodeInfo self = cluster.Self.Clone();
        self.Load = load.Read();
        var state = new TargetState(self, guests.ReservedBytes);
        if (TargetAdmission.Check(request.Image, state) is { } refusal)
            return Failures.Refused(Stage.Restore, refusal);
        limits = TargetAdmission.Limits(request.Image, state, cluster.Find(home)?.Info.Load?.Cpus ?? 0);
        return guests.TryAdd(Guest.Of(request, home)) ? null : Failures.Broken(Stage.Restore, "a body with this key is here already");
    }

    private async Task<Step<RestoreReply>> RestoreInsideAsync(RestoreRequest request, string home, CellLimits? limits, ClockOffsets? ahead, CancellationToken cancellationToken)
    {
        string stage = home == options.Node ? Stage.Return : Stage.Restore;
        if (await faults.AtAsync(stage, cancellationToken).ConfigureAwait(false) is { } fault)
            return await GiveUpAsync(request.Key, fault).ConfigureAwait(false);

        var restore = new WardenRestore { Key = request.Key, Epoch = request.Epoch, Image = request.Image, Home = home, Limits = limits, Ahead = ahead, Beside = request.Beside };
        WardenAnswer answer = await warden.AskAsync(new ToWarden { Restore = restore }, MoveDeadlines.Freeze, time, cancellationToken).ConfigureAwait(false);
        Step<WardenRestoring> restoring = Steps.Of(answer, Stage.Restore, reply => reply.Restoring);
        if (!restoring.Ok)
            return await GiveUpAsync(request.Key, restoring.Failure!).ConfigureAwait(false);

        Outcome<PullResult> pulled = await faults.AtAsync(Stage.Ship, cancellationToken).ConfigureAwait(false) is { } shipFault
            ? shipFault
            : await PullAsync(request, restoring.Value!, cancellationToken).ConfigureAwait(false);
        if (!pulled.Ok)
            return await GiveUpAsync(request.Key, pulled.Failure).ConfigureAwait(false);

        long begin = time.GetTimestamp();
        Step<MoveReply> finished = Done(
            await warden.AskAsync(new ToWarden { Finish = new WardenFinish { Key = request.Key } }, MoveDeadlines.Freeze, time, cancellationToken).ConfigureAwait(false),
            Stage.Restore);
        if (!finished.Ok)
            return await GiveUpAsync(request.Key, finished.Failure!).ConfigureAwait(false);
        if (home != options.Node)
        {
            guests.Set(request.Key, GuestState.Ready);
            LeaseReady(request.Key, request.Epoch, MoveDeadlines.Lease);
        }
        return new RestoreReply
        {
            Times = new StageTimes
            {
                ShipUs = Microseconds(pulled.Value.Elapsed),
                RestoreUs = restoring.Value!.RestoreUs + Microseconds(time.GetElapsedTime(begin)),
                Bytes = pulled.Value.Bytes,
            },
        };
    }

    private async Task<Outcome<PullResult>> PullAsync(RestoreRequest request, WardenRestoring restoring, CancellationToken cancellationToken)
    {
        try
        {
            return await pages.PullAsync(request.Source, request.Key, request.Epoch, request.Image, restoring, cancellationToken).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            return Failures.Broken(Stage.Ship, "given up while the pages were on their way");
        }
    }

    private async Task<Step<RestoreReply>> GiveUpAsync(ulong key, Failure failure)
    {
        Step<MoveReply> aborted = await AbortInsideAsync(key).ConfigureAwait(false);
        // A lost warden has undone it by itself, and a refused abort means that there was nothing.
        return aborted.Sureness == Sureness.Unknown && warden.IsConnected ? Step<RestoreReply>.Unknown(failure) : Step<RestoreReply>.Refused(failure);
    }

    private async Task<Step<MoveReply>> AbortInsideAsync(ulong key)
    {
        guests.EndLease(key);
        WardenAnswer answer = await warden.AskAsync(
            new ToWarden { Abort = new WardenAbort { Key = key } }, MoveDeadlines.Short, time, CancellationToken.None).ConfigureAwait(false);
        return await GoneAsync(key, Done(answer, Stage.Restore)).ConfigureAwait(false);
    }

    // A warden that refuses to end it has it in another state than we think: a body whose Run was answered too late is running.
    private async Task<Step<MoveReply>> GoneAsync(ulong key, Step<MoveReply> ended)
    {
        if (ended.Ok)
        {
            guests.Remove(key);
            return ended;
        }
        await CorrectAsync(key).ConfigureAwait(false);
        return ended;
    }

    private async Task CorrectAsync(ulong key)
    {
        WardenAnswer answer = await warden.AskAsync(new ToWarden { Status = new WardenStatus() }, MoveDeadlines.Short, time, CancellationToken.None).ConfigureAwait(false);
        if (answer is WardenAnswer.Replied { Reply.Status: { } status })
            guests.Correct(key, status.Processes.FirstOrDefault(held => held.Key == key));
    }

    private async Task<Step<MoveReply>> DiscardInsideAsync(ulong key)
    {
        guests.EndLease(key);
        await pages.ReleaseAsync(key).ConfigureAwait(false);
        WardenAnswer answer = await warden.AskAsync(
            new ToWarden { Discard = new WardenDiscard { Key = key } }, MoveDeadlines.Short, time, CancellationToken.None).ConfigureAwait(false);
        return await GoneAsync(key, Done(answer, Stage.Forward)).ConfigureAwait(false);
    }

    private async Task<Step<MoveReply>> ThawInsideAsync(KeyRequest request)
    {
        guests.EndLease(request.Key);
        await pages.ReleaseAsync(request.Key).ConfigureAwait(false);
        WardenAnswer answer = await warden.AskAsync(
            new ToWarden { Thaw = new WardenThaw { Key = request.Key, Epoch = request.Epoch } }, MoveDeadlines.Freeze, time, CancellationToken.None).ConfigureAwait(false);
        Step<MoveReply> thawed = Done(answer, Stage.Freeze);
        if (thawed.Ok)
        {
            guests.Set(request.Key, GuestState.Running);
            if (request.Epoch != 0)
                guests.SetEpoch(request.Key, request.Epoch);
        }
        return thawed;
    }

    private void LeaseReady(ulong key, uint epoch, TimeSpan duration) =>
        Lease(key, duration, () => AbortAsync(new KeyRequest { Key = key, Epoch = epoch }, CancellationToken.None));

    // An order of a move that a later one has overtaken.
    private bool IsObsolete(KeyRequest request) => request.Epoch != 0 && guests.Find(request.Key) is { } guest && guest.Epoch > request.Epoch;

    private void Lease(ulong key, TimeSpan duration, Func<Task<Step<MoveReply>>> undo) => guests.Lease(key, time.CreateTimer(_ =>
    {
        LogLeaseEnded(key.ToString("x16"));
        undo();
    }, null, duration, Timeout.InfiniteTimeSpan));

    private static async Task CancelAsync(CancellationTokenSource source)
    {
        try
        {
            await source.CancelAsync().ConfigureAwait(false);
        }
        catch (ObjectDisposedException)
        {
            // It ended meanwhile.
        }
    }

    private static Step<MoveReply> Done(WardenAnswer answer, string stage) => Steps.Of(answer, stage, reply => reply.Done is null ? null : new MoveReply());

    private static ulong Microseconds(TimeSpan span) => (ulong)(span.Ticks / TimeSpan.TicksPerMicrosecond);

    [LoggerMessage(510, LogLevel.Warning, "key {Key}: its home does not go on with the move: undone here")]
    private partial void LogLeaseEnded(string key);
}
