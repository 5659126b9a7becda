// One move, of a process or of a group that shares memory, from Freeze to the point where somebody runs again; conducted by the daemon of the home,
// whichever two nodes it goes between. Each stage is done for all of them before the next. The first is the leader: its claim commits them all.
//
//   Freeze             source   undo: Thaw
//                      home: who shares their memory; whoever does not stand yet is frozen, too, until nobody and no memory is new
//   Snapshot           source
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

/// <summary>What is seen of a group while those stand that were known.</summary>
/// <param name="Joined">Who shares its memory, too, and has to stand.</param>
/// <param name="Left">Keys of those that have ended, or share nothing with the leader any more.</param>
/// <param name="Memory">What they share.</param>
/// <param name="Unshared">Set: why no shared memory may come along.</param>
internal sealed record GroupSight(IReadOnlyList<MoveOrder> Joined, IReadOnlySet<ulong> Left, IReadOnlyList<SharedMemory> Memory, Failure? Unshared);

/// <summary>Looks who shares the leader's memory.</summary>
/// <param name="ended">Keys of those that could not be frozen, most likely because they end; it is waited for that, for a while.</param>
internal delegate Task<Outcome<GroupSight>> GroupLook(IReadOnlySet<ulong> ended, CancellationToken cancellationToken);

internal abstract record MoveOutcome(StageTimes Times)
{
    /// <summary>The body runs at the target.</summary>
    public sealed record Moved(StageTimes Times, ulong BodyBytes) : MoveOutcome(Times);

    /// <param name="EpochInForce">The body runs at the source, with this epoch (home: without any).</param>
    public sealed record NotMoved(StageTimes Times, Failure Failure, uint EpochInForce) : MoveOutcome(Times);

    /// <summary>It was no part of the move any more, because it shares nothing with the leader or has ended.</summary>
    /// <param name="EpochInForce">As of NotMoved.</param>
    public sealed record Left(StageTimes Times, uint EpochInForce) : MoveOutcome(Times);
}

/// <param name="memory">What they share at first.</param>
internal sealed class Move(
    IReadOnlyList<MoveOrder> orders, IReadOnlyList<SharedMemory> memory, GroupLook look, HomeDeputy deputy, Errands errands, FaultPoints faults, TimeProvider time)
{
    /// <summary>Who stands neither forks nor maps, so each look finds less that is new, unless they fork faster than they are found.</summary>
    private const int LooksMost = 16;

    private const int ESRCH = 3;

    private readonly List<MovePart> _all = [.. orders.Select(order => new MovePart(order, deputy, errands, faults, time))];
    private Failure? _unshared; // when all stand: why no shared memory may come along

    private IEnumerable<MovePart> Parts => _all.Where(part => part.Left is null);

    private MovePart Leader => _all[0];

    /// <param name="givenUp">The move is not wanted any more; obeyed until Run is sent.</param>
    /// <param name="stopping">The daemon stops.</param>
    /// <returns>As orders, and those that have joined behind.</returns>
    public async Task<IReadOnlyList<MoveOutcome>> ConductAsync(CancellationToken givenUp, CancellationToken stopping)
    {
        using var either = CancellationTokenSource.CreateLinkedTokenSource(givenUp, stopping);
        Failure? failure = await FreezeAsync(either.Token).ConfigureAwait(false)
            ?? await SnapshotAsync(either.Token).ConfigureAwait(false)
            ?? await RestoreAsync(either.Token).ConfigureAwait(false)
            ?? await CommitAsync(either.Token, stopping).ConfigureAwait(false);
        var outcomes = new MoveOutcome[_all.Count];
        for (int i = _all.Count - 1; i >= 0; i--)
        {
            outcomes[i] = _all[i].Left is { } left ? left
                : failure is not null && !_all[i].Arrived ? await _all[i].UndoAsync(failure).ConfigureAwait(false)
                : await _all[i].ForwardAsync().ConfigureAwait(false);
        }
        return outcomes;
    }

    /// <summary>Until a look finds just those that stand, with the memory that they were told of.</summary>
    private async Task<Failure?> FreezeAsync(CancellationToken cancellationToken)
    {
        IReadOnlyList<SharedMemory> known = memory;
        bool told = true;
        for (int looks = 0; looks < LooksMost; looks++)
        {
            Dictionary<ulong, Failure> unfrozen = [];
            foreach (MovePart part in Parts.Where(part => !part.Stands || (!told && part.Order.FromHome)))
            {
                Step<FreezeReply> frozen = await part.FreezeAsync(known, cancellationToken).ConfigureAwait(false);
                if (frozen.Failure is not { } failure)
                    continue;
                if (part == Leader || frozen.Sureness == Sureness.Unknown || failure.Refusal is not null)
                    return failure;
                unfrozen.Add(part.Order.Key, failure);
            }
            HashSet<ulong> ended = [.. unfrozen.Where(one => one.Value.Errno == ESRCH).Select(one => one.Key)];
            Outcome<GroupSight> seen = await look(ended, cancellationToken).ConfigureAwait(false);
            if (!seen.Ok)
                return seen.Failure;
            GroupSight sight = seen.Value;
            foreach (MovePart part in Parts.Where(part => sight.Left.Contains(part.Order.Key)))
                await part.LeaveAsync().ConfigureAwait(false);
            _all.AddRange(sight.Joined.Select(order => new MovePart(order, deputy, errands, faults, time)));
            if (unfrozen.FirstOrDefault(one => !sight.Left.Contains(one.Key)).Value is { } stays)
                return stays;
            told = IsSame(known, sight.Memory);
            if (told && sight.Joined.Count == 0)
            {
                _unshared = sight.Unshared;
                return null;
            }
            known = sight.Memory;
        }
        return Failures.Broken(Stage.Freeze, "who shares its memory, and what memory, changes faster than it can be stopped");
    }

    private static bool IsSame(IReadOnlyList<SharedMemory> one, IReadOnlyList<SharedMemory> other) =>
        one.Select(memory => (memory.Device, memory.Inode, memory.Written)).ToHashSet().SetEquals(other.Select(memory => (memory.Device, memory.Inode, memory.Written)));

    private async Task<Failure?> SnapshotAsync(CancellationToken cancellationToken)
    {
        // The leader last: memory comes with the first that is restored with it, and one that is stepped out of the vDSO may write to it until then.
        foreach (MovePart part in Parts.Reverse())
        {
            if (await part.SnapshotAsync(cancellationToken).ConfigureAwait(false) is { } failure)
                return failure;
        }
        return Parts.Any(part => part.Image.Files.Any(file => file.Memory)) ? _unshared : null;
    }

    private async Task<Failure?> RestoreAsync(CancellationToken cancellationToken)
    {
        var held = new HashSet<(ulong Device, ulong Inode)>();
        foreach (MovePart part in Parts)
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
        foreach (MovePart part in Parts)
            failure ??= await part.DeputizeAsync(cancellationToken).ConfigureAwait(false);
        if (failure is not null)
            return failure;
        foreach (MovePart part in Parts)
            failure ??= await part.ExpectAsync(Leader.Order.Key, cancellationToken).ConfigureAwait(false);
        // From here on only the deadline ends the wait: the target may have begun to run at any moment.
        failure ??= await Leader.RunAsync(Parts.Skip(1), stopping).ConfigureAwait(false);
        if (failure is not null)
            failure = await DecideAsync(failure, stopping).ConfigureAwait(false);
        foreach (MovePart part in Parts.Skip(1))
        {
            // They ran with their leader.
            if (failure is null)
                _ = await part.RunAsync([], stopping).ConfigureAwait(false);
        }
        foreach (MovePart part in Parts)
            part.Committed(begin);
        return failure;
    }

    /// <summary>What its leader's claim says holds for the whole group; that of the next, where the leader has ended meanwhile.</summary>
    /// <returns>Null: they run at the target. Else all have been taken back, but for those that run there all the same.</returns>
    private async Task<Failure?> DecideAsync(Failure why, CancellationToken stopping)
    {
        bool decided = false;
        foreach (MovePart part in Parts)
        {
            await part.TakeBackAsync(stopping).ConfigureAwait(false);
            if (part.Arrived && !decided)
                return null;
            decided |= !part.Gone;
        }
        return why;
    }
}
