using OpenMosix.Checkpoint.Interop;
using OpenMosix.Checkpoint.Proc;
using OpenMosix.Checkpoint.Restore;
using OpenMosix.Checkpoint.Snapshot;
using OpenMosix.Checkpoint.Tracing;
using OpenMosix.Protocol.Errors;
using OpenMosix.Protocol.V1;

namespace OpenMosix.Checkpoint.Freeze;

/// <summary>
/// A process that is held still. It owns the tracer's thread and, in a native process, the agent; while nothing executes in it, its
/// registers and mask are its own, so that the end of this process only lets it go on. Ends by Thaw (or Dispose, which thaws)
/// or Deputize. Calls may come from any thread, one at a time; they block for as long as they take.
/// </summary>
public sealed class FrozenProcess : IDisposable
{
    private readonly TracerThread _thread;
    private readonly FrozenThread _frozen;
    private bool _ended;

    private FrozenProcess(TracerThread thread, FrozenThread frozen)
    {
        _thread = thread;
        _frozen = frozen;
    }

    public int Pid => _frozen.Tracee.Tid;

    /// <summary>True when it was stopped by a signal (SIGSTOP...): it stays so when thawed.</summary>
    public bool IsStopped => _frozen.GroupStopped;

    public static Outcome<FrozenProcess> Freeze(int pid, FreezeOptions? options = null, CancellationToken cancellation = default)
    {
        options ??= new FreezeOptions();
        var thread = new TracerThread(pid);
        var outcome = Guard.Run(Stage.Freeze, () => thread.Invoke(() => FrozenThread.Stop(pid, options, cancellation)));
        if (!outcome.Ok)
        {
            // The end of the thread gives up a seizure that has not come to a stop.
            thread.Dispose();
            return outcome.Failure;
        }

        return new FrozenProcess(thread, outcome.Value);
    }

    /// <summary>Describes it. The image names the pages; PageReader reads them.</summary>
    public Outcome<ProcessImage> Snapshot(SnapshotOptions? options = null) =>
        Do(Stage.Snapshot, () => SnapshotTaker.Take(_frozen, options ?? new SnapshotOptions()));

    /// <summary>A batch for Execute.</summary>
    public Outcome<Batch> NewBatch(bool stopOnError = false) =>
        Do<Batch>(Stage.Freeze, () => _frozen.Agent().NewBatch(stopOnError));

    /// <summary>Executes calls in it: the agent's batch.</summary>
    public Outcome<BatchResults> Execute(Batch batch) => Do<BatchResults>(Stage.Freeze, () => _frozen.Agent().Run(batch));

    public Outcome<Registers> ReadRegisters() => Do<Registers>(Stage.Freeze, () => _frozen.Tracee.Registers);

    /// <summary>The registers it goes on with.</summary>
    public Outcome WriteRegisters(Registers registers) => Do(Stage.Freeze, () => _frozen.Tracee.Registers = registers);

    /// <summary>Signals that wait for it, as siginfo: those of the thread, then those of the process.</summary>
    public Outcome<IReadOnlyList<byte[]>> PendingSignals() => Do<IReadOnlyList<byte[]>>(
        Stage.Freeze,
        () => (List<byte[]>)[.. SignalQueue.Peek(_frozen.Tracee, shared: false), .. SignalQueue.Peek(_frozen.Tracee, shared: true)]);

    /// <summary>Queues signals (siginfo, 128 bytes each) as the process itself: they are delivered when it goes on, as signal(7) says.</summary>
    public Outcome QueueSignals(IReadOnlyList<byte[]> signals) => Do(Stage.Freeze, () =>
    {
        var batch = _frozen.Agent().NewBatch();
        SignalQueue.AddToProcess(batch, _frozen.Tracee, signals);
        _frozen.Agent().Run(batch);
    });

    /// <summary>Ends the call it was stopped in, which waits under this mask, if a signal that waits now would: true, and it goes on. False:
    /// nothing has changed.</summary>
    public Outcome<bool> EndWait(ulong mask)
    {
        var outcome = Do<bool>(Stage.Freeze, () => _frozen.EndWait(mask));
        if (!outcome.Ok || outcome.Value)
        {
            End();
        }

        return outcome;
    }

    /// <summary>Lets it go on where it was, unchanged.</summary>
    public Outcome Thaw()
    {
        var outcome = Do(Stage.Freeze, _frozen.LetGo);
        End();
        return outcome;
    }

    /// <summary>Home: makes it a deputy of the body described by image (its own last Snapshot); it runs, in the agent, when this returns.
    /// Pages are kept. Undone by RestoringProcess.TakeBack. When it fails, the process is still frozen, unchanged.</summary>
    public Outcome<DeputyProcess> Deputize(ProcessImage image)
    {
        var outcome = Do(Stage.Commit, () => Deputizer.Deputize(_frozen, image));
        if (outcome.Ok)
        {
            End();
        }

        return outcome;
    }

    public void Dispose()
    {
        if (!_ended)
        {
            _ = Thaw();
        }
    }

    private void End()
    {
        _ended = true;
        _thread.Dispose();
    }

    private Outcome<T> Do<T>(string stage, Func<Outcome<T>> work)
    {
        ObjectDisposedException.ThrowIf(_ended, this);
        return Guard.Run(stage, () => _thread.Invoke(work));
    }

    private Outcome Do(string stage, Action work)
    {
        var outcome = Do<bool>(stage, () =>
        {
            work();
            return true;
        });
        return outcome.Ok ? Outcome.Done : outcome.Failure;
    }
}
