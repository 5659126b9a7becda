// One move, from Freeze to the point where somebody runs again; conducted by the daemon of the process's home, whichever two nodes it goes between.
//
//   Freeze, Snapshot   source   undo: Thaw
//   Ship, Restore      target   undo: Abort
//   Commit             home: Deputize (first move), Expect, which is refused if the source's body was let go on meanwhile; target: Run
//                      undo: Expect(epoch + 1, source, take_back), which may find that the body runs: then the move has succeeded
//   Forward            home: Committed, or source: Discard
//
// Until Run is sent the move can be given up at any moment; after that only home's warden decides. On return nothing is pending
// here; an order for a node that does not answer is left with Errands.
using OpenMosix.Protocol.Errors;
using OpenMosix.Protocol.V1;

namespace OpenMosix.Daemon.Migration;

/// <param name="InForce">The epoch with which the body runs at the source; 0: at home, without any.</param>
/// <param name="Epoch">Of this attempt, and of no other: an abort of an earlier one that comes late is known by it.</param>
/// <param name="HomePid">The process at home.</param>
/// <param name="FromHome">It is native at home: the source is this node.</param>
/// <param name="ToHome">It returns: the target is this node.</param>
internal sealed record MoveOrder(ulong Key, uint InForce, uint Epoch, int HomePid, bool FromHome, bool ToHome, IMoveNode Source, IMoveNode Target);

internal abstract record MoveOutcome(StageTimes Times)
{
    /// <summary>The body runs at the target.</summary>
    public sealed record Moved(StageTimes Times, ulong BodyBytes) : MoveOutcome(Times);

    /// <param name="EpochInForce">The body runs at the source, with this epoch (home: without any).</param>
    public sealed record NotMoved(StageTimes Times, Failure Failure, uint EpochInForce) : MoveOutcome(Times);
}

internal sealed class Move(MoveOrder order, HomeDeputy deputy, Errands errands, FaultPoints faults, TimeProvider time)
{
    private readonly UndoStack _undo = new();
    private readonly StageTimes _times = new();
    private uint _presented; // by a body that is away, before it was frozen
    private uint _takenBack; // the epoch that the source must present, once the target's was fenced
    private long _frozenAt;

    /// <param name="givenUp">The move is not wanted any more; obeyed until Run is sent.</param>
    /// <param name="stopping">The daemon stops.</param>
    public async Task<MoveOutcome> ConductAsync(CancellationToken givenUp, CancellationToken stopping)
    {
        using var either = CancellationTokenSource.CreateLinkedTokenSource(givenUp, stopping);
        if (!order.FromHome)
        {
            Step<HeldProcess> deputized = await deputy.LookAsync(order.Key, either.Token).ConfigureAwait(false);
            if (!deputized.Ok)
                return new MoveOutcome.NotMoved(_times, deputized.Failure!, order.InForce);
            _presented = deputized.Value!.Presented;
        }
        Step<FreezeReply> frozen = await FreezeAsync(either.Token).ConfigureAwait(false);
        if (!frozen.Ok)
            return await UndoAsync(frozen.Failure!).ConfigureAwait(false);
        ProcessImage image = frozen.Value!.Image;
        if (await RestoreAsync(image, either.Token).ConfigureAwait(false) is { } notRestored)
            return await UndoAsync(notRestored).ConfigureAwait(false);
        if (await CommitAsync(either.Token, stopping).ConfigureAwait(false) is { } notCommitted)
            return await UndoAsync(notCommitted).ConfigureAwait(false);
        await ForwardAsync().ConfigureAwait(false);
        return new MoveOutcome.Moved(_times, MemoryNeed.Of(image));
    }

    private async Task<Step<FreezeReply>> FreezeAsync(CancellationToken cancellationToken)
    {
        _frozenAt = time.GetTimestamp();
        var request = new FreezeRequest { Key = order.Key, Epoch = order.Epoch, Target = order.Target.Node };
        Step<FreezeReply> frozen = await order.Source.FreezeAsync(request, order.FromHome ? order.HomePid : 0, cancellationToken).ConfigureAwait(false);
        if (frozen.Sureness is Sureness.Done or Sureness.Unknown)
            _undo.Push(() => errands.RunAsync(Errand.Thaw, order.Source, Key(_takenBack)));
        _times.FreezeUs = frozen.Value?.FreezeUs ?? 0;
        _times.SnapshotUs = frozen.Value?.SnapshotUs ?? 0;
        return frozen.Ok && frozen.Value!.Image is null
            ? Step<FreezeReply>.Refused(Failures.Broken(Stage.Snapshot, $"node {order.Source.Node} sent no image"))
            : frozen;
    }

    private async Task<Failure?> RestoreAsync(ProcessImage image, CancellationToken cancellationToken)
    {
        var request = new RestoreRequest { Key = order.Key, Epoch = order.Epoch, Image = image, Source = order.Source.Node };
        Step<RestoreReply> restored = await order.Target.RestoreAsync(request, cancellationToken).ConfigureAwait(false);
        if (restored.Sureness is Sureness.Done or Sureness.Unknown)
            _undo.Push(() => errands.RunAsync(Errand.Abort, order.Target, Key(order.Epoch)));
        if (restored.Value?.Times is { } times)
            (_times.ShipUs, _times.RestoreUs, _times.Bytes) = (times.ShipUs, times.RestoreUs, times.Bytes);
        return restored.Failure;
    }

    private async Task<Failure?> CommitAsync(CancellationToken cancellationToken, CancellationToken stopping)
    {
        long begin = time.GetTimestamp();
        if (cancellationToken.IsCancellationRequested)
            return Failures.Broken(Stage.Commit, "the move was given up");
        if (await faults.AtAsync(Stage.Commit, cancellationToken).ConfigureAwait(false) is { } fault)
            return fault;
        // Undone by the source's Thaw, as the freeze is.
        if (order.FromHome && (await deputy.DeputizeAsync(order.Key, order.Epoch, cancellationToken).ConfigureAwait(false)).Failure is { } notDeputized)
            return notDeputized;
        Step<WardenExpected> expected = await deputy.ExpectAsync(order.Key, order.Epoch, order.Target.Node, _presented, cancellationToken).ConfigureAwait(false);
        if (expected.Sureness is Sureness.Refused or Sureness.NotSent)
            return expected.Failure;
        // From here on only the deadline ends the wait: the target may have begun to run at any moment.
        Failure? failure = expected.Failure;
        failure ??= (await order.Target.RunAsync(new RunRequest { Key = order.Key, Epoch = order.Epoch }, stopping).ConfigureAwait(false)).Failure;
        if (failure is not null)
            failure = await TakeBackAsync(failure, stopping).ConfigureAwait(false);
        _times.CommitUs = Microseconds(begin);
        _times.StallUs = Microseconds(_frozenAt);
        return failure;
    }

    /// <returns>Null: the body runs at the target after all.</returns>
    private async Task<Failure?> TakeBackAsync(Failure why, CancellationToken stopping)
    {
        TakeBack result = await deputy.TakeBackAsync(order.Key, order.Epoch, order.Source.Node, stopping).ConfigureAwait(false);
        switch (result)
        {
            case TakeBack.Claimed:
                return null;
            case TakeBack.Taken:
                _takenBack = order.Epoch + 1;
                return why;
            case TakeBack.Never:
                return why;
            default:
                // Home's warden has let go of the process: after Run at home that is success, before it the undo of a lost connection.
                return order.ToHome ? null : why;
        }
    }

    private async Task ForwardAsync()
    {
        _undo.Clear();
        if (_times.StallUs == 0)
            _times.StallUs = Microseconds(_frozenAt);
        await faults.AtAsync(Stage.Forward, CancellationToken.None).ConfigureAwait(false);
        // A failure here is repaired when the warden connects anew (Reconciler); the body runs.
        if (order.FromHome)
            await deputy.CommittedAsync(order.Key, CancellationToken.None).ConfigureAwait(false);
        else
            await errands.RunAsync(Errand.Discard, order.Source, Key(order.Epoch)).ConfigureAwait(false);
    }

    private async Task<MoveOutcome> UndoAsync(Failure failure)
    {
        await _undo.RunAsync().ConfigureAwait(false);
        _times.StallUs = Microseconds(_frozenAt);
        return new MoveOutcome.NotMoved(_times, failure, _takenBack == 0 ? order.InForce : _takenBack);
    }

    private KeyRequest Key(uint epoch) => new() { Key = order.Key, Epoch = epoch };

    private ulong Microseconds(long since) => (ulong)(time.GetElapsedTime(since).Ticks / TimeSpan.TicksPerMicrosecond);
}
