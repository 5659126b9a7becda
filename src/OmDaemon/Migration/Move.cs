// One move, of a process or of a group that shares memory, from Freeze to the point where somebody runs again; conducted by the daemon of the home,
// whichever two nodes it goes between. Each stage is done for all of them before the next. The first is the leader: its claim commits them all.
//
//   Freeze, Snapshot   source   undo: Thaw
//                      home: whether the group is still whole
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
/// <param name="Memory">At home: what it shares with the others.</param>
internal sealed record MoveOrder(
    ulong Key, uint InForce, uint Epoch, int HomePid, bool FromHome, bool ToHome, IMoveNode Source, IMoveNode Target, IReadOnlyList<SharedMemory> Memory);

internal abstract record MoveOutcome(StageTimes Times)
{
    /// <summary>The body runs at the target.</summary>
    public sealed record Moved(StageTimes Times, ulong BodyBytes) : MoveOutcome(Times);

    /// <param name="EpochInForce">The body runs at the source, with this epoch (home: without any).</param>
    public sealed record NotMoved(StageTimes Times, Failure Failure, uint EpochInForce) : MoveOutcome(Times);
}

/// <param name="whole">Asked once all stand still, if they have shared memory: null, or why they are not all who share it.</param>
internal sealed class Move(
    IReadOnlyList<MoveOrder> orders, Func<CancellationToken, Task<Failure?>> whole, HomeDeputy deputy, Errands errands, FaultPoints faults, TimeProvider time)
{
    private readonly MovePart[] _parts = [.. orders.Select(order => new MovePart(order, deputy, errands, faults, time))];

    private MovePart Leader => _parts[0];

    /// <param name="givenUp">The move is not wanted any more; obeyed until Run is sent.</param>
    /// <param name="stopping">The daemon stops.</param>
    /// <returns>As orders.</returns>
    public async Task<IReadOnlyList<MoveOutcome>> ConductAsync(CancellationToken givenUp, CancellationToken stopping)
    {
        using var either = CancellationTokenSource.CreateLinkedTokenSource(givenUp, stopping);
        Failure? failure = await FreezeAsync(either.Token).ConfigureAwait(false)
            ?? await RestoreAsync(either.Token).ConfigureAwait(false)
            ?? await CommitAsync(either.Token, stopping).ConfigureAwait(false);
        var outcomes = new MoveOutcome[_parts.Length];
        for (int i = _parts.Length - 1; i >= 0; i--)
            outcomes[i] = failure is not null && !_parts[i].Arrived ? await _parts[i].UndoAsync(failure).ConfigureAwait(false) : await _parts[i].ForwardAsync().ConfigureAwait(false);
        return outcomes;
    }

    private async Task<Failure?> FreezeAsync(CancellationToken cancellationToken)
    {
        // The leader last: memory comes with the first that is restored with it, and what there is of it is known when all others who have it stand.
        foreach (MovePart part in _parts.Reverse())
        {
            if (await part.FreezeAsync(cancellationToken).ConfigureAwait(false) is { } failure)
                return failure;
        }
        return _parts.Any(part => part.Image.Files.Any(file => file.Memory)) ? await whole(cancellationToken).ConfigureAwait(false) : null;
    }

    private async Task<Failure?> RestoreAsync(CancellationToken cancellationToken)
    {
        var held = new HashSet<(ulong Device, ulong Inode)>();
        foreach (MovePart part in _parts)
        {
            foreach (MappedFile memory in part.Image.Files.Where(file => file.Memory && !held.Add((file.Device, file.Inode))))
            {
                memory.Ranges.Clear();
                memory.Held = true;
            }
            if (await part.RestoreAsync(part == Leader ? 0 : Leader.Order.Key, cancellationToken).ConfigureAwait(false) is { } failure)
                return failure;
        }
        return null;
    }

    private async Task<Failure?> CommitAsync(CancellationToken cancellationToken, CancellationToken stopping)
    {
        long begin = time.GetTimestamp();
        if (cancellationToken.IsCancellationRequested)
            return Failures.Broken(Stage.Commit, "the move was given up");
        Failure? failure = await faults.AtAsync(Stage.Commit, cancellationToken).ConfigureAwait(false);
        foreach (MovePart part in _parts)
            failure ??= await part.DeputizeAsync(cancellationToken).ConfigureAwait(false);
        if (failure is not null)
            return failure;
        foreach (MovePart part in _parts)
            failure ??= await part.ExpectAsync(Leader.Order.Key, cancellationToken).ConfigureAwait(false);
        // From here on only the deadline ends the wait: the target may have begun to run at any moment.
        failure ??= await Leader.RunAsync(_parts.Skip(1), stopping).ConfigureAwait(false);
        if (failure is not null)
            failure = await DecideAsync(failure, stopping).ConfigureAwait(false);
        foreach (MovePart part in _parts.Skip(1))
        {
            // They ran with their leader.
            if (failure is null)
                _ = await part.RunAsync([], stopping).ConfigureAwait(false);
        }
        foreach (MovePart part in _parts)
            part.Committed(begin);
        return failure;
    }

    /// <summary>What its leader's claim says holds for the whole group; that of the next, where the leader has ended meanwhile.</summary>
    /// <returns>Null: they run at the target. Else all have been taken back, but for those that run there all the same.</returns>
    private async Task<Failure?> DecideAsync(Failure why, CancellationToken stopping)
    {
        bool decided = false;
        foreach (MovePart part in _parts)
        {
            await part.TakeBackAsync(stopping).ConfigureAwait(false);
            if (part.Arrived && !decided)
                return null;
            decided |= !part.Gone;
        }
        return why;
    }
}
