// What a move does about one process of it: the steps, and what undoes each.
using OpenMosix.Protocol.Errors;
using OpenMosix.Protocol.V1;

namespace OpenMosix.Daemon.Migration;

internal sealed class MovePart(MoveOrder order, HomeDeputy deputy, Errands errands, FaultPoints faults, TimeProvider time)
{
    private readonly UndoStack _undo = new();
    private readonly StageTimes _times = new();
    private ProcessImage? _image;
    private uint _presented; // by a body that is away, before it was frozen
    private bool _expected;  // home's warden has been told of the target, or may have been
    private uint _takenBack; // the epoch that the source must present, once the target's was fenced
    private long _frozenAt;

    public MoveOrder Order => order;

    /// <summary>TakeBackAsync: the body runs at the target after all.</summary>
    public bool Arrived { get; private set; }

    /// <summary>TakeBackAsync: it has ended, or its home's warden has undone it.</summary>
    public bool Gone { get; private set; }

    /// <summary>After SnapshotAsync.</summary>
    public ProcessImage Image => _image!;

    /// <summary>FreezeAsync: it stands.</summary>
    public bool Stands { get; private set; }

    /// <summary>LeaveAsync: it goes on where it was, and the others without it.</summary>
    public MoveOutcome.Left? Left { get; private set; }

    /// <param name="memory">What it shares with others of the move. One that stands is told what has become of that.</param>
    public async Task<Step<FreezeReply>> FreezeAsync(IReadOnlyList<SharedMemory> memory, CancellationToken cancellationToken)
    {
        if (!order.FromHome)
        {
            Step<HeldProcess> deputized = await deputy.LookAsync(order.Key, cancellationToken).ConfigureAwait(false);
            if (!deputized.Ok)
                return deputized.Cast<FreezeReply>();
            _presented = deputized.Value!.Presented;
        }
        long begin = time.GetTimestamp();
        var request = new FreezeRequest { Key = order.Key, Epoch = order.Epoch, Target = order.Target.Node, Memory = { order.FromHome ? memory : [] } };
        Step<FreezeReply> frozen = await order.Source.FreezeAsync(request, order.FromHome ? order.HomePid : 0, cancellationToken).ConfigureAwait(false);
        if (Stands)
            return frozen;
        _frozenAt = begin;
        if (frozen.Sureness is Sureness.Done or Sureness.Unknown)
            _undo.Push(() => errands.RunAsync(Errand.Thaw, order.Source, Key(_takenBack)));
        _times.FreezeUs = frozen.Value?.FreezeUs ?? 0;
        Stands = frozen.Ok;
        return frozen;
    }

    public async Task LeaveAsync()
    {
        await _undo.RunAsync().ConfigureAwait(false);
        Left = new MoveOutcome.Left(_times, order.InForce);
    }

    /// <summary>Undone by Thaw, as the freeze is.</summary>
    public async Task<Failure?> SnapshotAsync(CancellationToken cancellationToken)
    {
        var request = new SnapshotRequest { Key = order.Key, Epoch = order.Epoch, Target = order.Target.Node };
        Step<SnapshotReply> described = await order.Source.SnapshotAsync(request, order.FromHome ? order.HomePid : 0, cancellationToken).ConfigureAwait(false);
        _times.SnapshotUs = described.Value?.SnapshotUs ?? 0;
        _image = described.Value?.Image;
        return described.Ok && _image is null ? Failures.Broken(Stage.Snapshot, $"node {order.Source.Node} sent no image") : described.Failure;
    }

    /// <param name="beside">Key of the leader of its group; 0: it is.</param>
    public async Task<Failure?> RestoreAsync(ulong beside, CancellationToken cancellationToken)
    {
        var request = new RestoreRequest { Key = order.Key, Epoch = order.Epoch, Image = _image, Source = order.Source.Node, Beside = beside };
        Step<RestoreReply> restored = await order.Target.RestoreAsync(request, cancellationToken).ConfigureAwait(false);
        if (restored.Sureness is Sureness.Done or Sureness.Unknown)
            _undo.Push(() => errands.RunAsync(Errand.Abort, order.Target, Key(order.Epoch)));
        if (restored.Value?.Times is { } times)
            (_times.ShipUs, _times.RestoreUs, _times.Bytes) = (times.ShipUs, times.RestoreUs, times.Bytes);
        return restored.Failure;
    }

    /// <summary>Undone by the source's Thaw, as the freeze is.</summary>
    public async Task<Failure?> DeputizeAsync(CancellationToken cancellationToken) =>
        order.FromHome ? (await deputy.DeputizeAsync(order.Key, order.Epoch, cancellationToken).ConfigureAwait(false)).Failure : null;

    public async Task<Failure?> ExpectAsync(ulong leader, CancellationToken cancellationToken)
    {
        Step<WardenExpected> expected = await deputy.ExpectAsync(order.Key, order.Epoch, order.Target.Node, _presented, leader, cancellationToken).ConfigureAwait(false);
        _expected = expected.Sureness is Sureness.Done or Sureness.Unknown;
        return expected.Failure;
    }

    public async Task<Failure?> RunAsync(IEnumerable<MovePart> others, CancellationToken stopping)
    {
        var request = new RunRequest { Key = order.Key, Epoch = order.Epoch };
        request.Others.Add(others.Select(other => new RunRequest { Key = other.Order.Key, Epoch = other.Order.Epoch }));
        return (await order.Target.RunAsync(request, stopping).ConfigureAwait(false)).Failure;
    }

    /// <summary>Fences the target, or finds that it is too late for that.</summary>
    public async Task TakeBackAsync(CancellationToken stopping)
    {
        if (!_expected)
            return;
        TakeBack result = await deputy.TakeBackAsync(order.Key, order.Epoch, order.Source.Node, stopping).ConfigureAwait(false);
        if (result == TakeBack.Taken)
            _takenBack = order.Epoch + 1;
        // Home's warden has let go of the process: after Run at home that is success, before it the undo of a lost connection.
        Arrived = result == TakeBack.Claimed || (result == TakeBack.Gone && order.ToHome);
        Gone = result == TakeBack.Gone && !order.ToHome;
    }

    /// <param name="begin">When Commit began.</param>
    public void Committed(long begin)
    {
        _times.CommitUs = Microseconds(begin);
        _times.StallUs = Microseconds(_frozenAt);
    }

    public async Task<MoveOutcome> ForwardAsync()
    {
        _undo.Clear();
        await faults.AtAsync(Stage.Forward, CancellationToken.None).ConfigureAwait(false);
        // A failure here is repaired when the warden connects anew (Reconciler); the body runs.
        if (order.FromHome)
            await deputy.CommittedAsync(order.Key, CancellationToken.None).ConfigureAwait(false);
        else
            await errands.RunAsync(Errand.Discard, order.Source, Key(order.Epoch)).ConfigureAwait(false);
        return new MoveOutcome.Moved(_times, MemoryNeed.Of(Image));
    }

    public async Task<MoveOutcome> UndoAsync(Failure failure)
    {
        await _undo.RunAsync().ConfigureAwait(false);
        if (_frozenAt != 0)
            _times.StallUs = Microseconds(_frozenAt);
        return new MoveOutcome.NotMoved(_times, failure, _takenBack == 0 ? order.InForce : _takenBack);
    }

    private KeyRequest Key(uint epoch) => new() { Key = order.Key, Epoch = epoch };

    private ulong Microseconds(long since) => (ulong)(time.GetElapsedTime(since).Ticks / TimeSpan.TicksPerMicrosecond);
}
