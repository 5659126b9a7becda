using OpenMosix.Checkpoint.Proc;
using OpenMosix.Checkpoint.Restore;
using OpenMosix.Checkpoint.Snapshot;
using OpenMosix.Checkpoint.Tracing;
using OpenMosix.Protocol.Errors;
using OpenMosix.Protocol.V1;

namespace OpenMosix.Checkpoint.Freeze;

/// <summary>
/// A process, or one thread of it, that is held still. It owns the tracer's thread and, in a native process, the agent; while nothing executes
/// in it, registers and masks are its own, so that the end of this process only lets it go on. Ends by Thaw (or Dispose, which thaws)
/// or Deputize. Calls may come from any thread, one at a time; they block for as long as they take. Where a tid may be given, the
/// first thread held is meant without one: the leader, unless it is a thread on its own.
/// </summary>
public sealed class FrozenProcess : IDisposable
{
    private readonly TracerThread _thread;
    private readonly FrozenThreads _frozen;
    private readonly bool _whole;
    private bool _ended;

    private FrozenProcess(TracerThread thread, FrozenThreads frozen, bool whole)
    {
        _thread = thread;
        _frozen = frozen;
        _whole = whole;
        Threads = Tids();
    }

    public int Pid => _frozen.Pid;

    /// <summary>The tids that are held, the leader first when it is among them.</summary>
    public IReadOnlyList<int> Threads { get; private set; }

    /// <summary>True when it was stopped by a signal (SIGSTOP...): it stays so when thawed.</summary>
    public bool IsStopped => _frozen.GroupStopped;

    /// <summary>Stops every thread of the process.</summary>
    public static Outcome<FrozenProcess> Freeze(int pid, FreezeOptions? options = null, CancellationToken cancellation = default) =>
        Stop(pid, () => ProcessStop.All(pid, options ?? new FreezeOptions(), cancellation), whole: true);

    /// <summary>Stops one thread; the others of its process run on. For what concerns this thread alone.</summary>
    public static Outcome<FrozenProcess> FreezeThread(int pid, int tid, FreezeOptions? options = null, CancellationToken cancellation = default) =>
        Stop(pid, () => ProcessStop.One(pid, tid, options ?? new FreezeOptions(), cancellation), whole: false);

    /// <summary>Describes it. The image names the pages; PageReader reads them.</summary>
    public Outcome<ProcessImage> Snapshot(SnapshotOptions? options = null) =>
        Do(Stage.Snapshot, () => SnapshotTaker.Take(Whole(), options ?? new SnapshotOptions()));

    /// <summary>A batch for Execute.</summary>
    public Outcome<Batch> NewBatch(bool stopOnError = false) =>
        Do<Batch>(Stage.Freeze, () => _frozen.Agent().NewBatch(stopOnError));

    /// <summary>Executes calls in it: the agent's batch.</summary>
    public Outcome<BatchResults> Execute(Batch batch, int? tid = null) =>
        Do<BatchResults>(Stage.Freeze, () => _frozen.Agent().Run(batch, _frozen.Of(tid).Tracee));

    /// <summary>Gives it a descriptor of ours (close-on-exec); its number there. Closing it is the caller's affair.</summary>
    public Outcome<ulong> GiveDescriptor(Microsoft.Win32.SafeHandles.SafeFileHandle descriptor) =>
        Do<ulong>(Stage.Freeze, () => GivenDescriptor.To(_frozen.Agent(), Pid, descriptor));

    public Outcome<Registers> ReadRegisters(int? tid = null) => Do<Registers>(Stage.Freeze, () => _frozen.Of(tid).Tracee.Registers);

    /// <summary>The registers it goes on with.</summary>
    public Outcome WriteRegisters(Registers registers, int? tid = null) => Do(Stage.Freeze, () => _frozen.Of(tid).Tracee.Registers = registers);

    /// <summary>Signals that wait for it, as siginfo: those of the thread, then those of the process.</summary>
    public Outcome<IReadOnlyList<byte[]>> PendingSignals(int? tid = null) => Do<IReadOnlyList<byte[]>>(
        Stage.Freeze,
        () => (List<byte[]>)[.. SignalQueue.Peek(_frozen.Of(tid).Tracee, shared: false), .. SignalQueue.Peek(_frozen.Of(tid).Tracee, shared: true)]);

    /// <summary>Queues signals (siginfo, 128 bytes each) for the process, as the process itself: they are delivered when it goes on, as signal(7)
    /// says. The leader has to be held: only it may.</summary>
    public Outcome QueueSignals(IReadOnlyList<byte[]> signals) =>
        Do(Stage.Freeze, () => SignalQueue.ToProcess(_frozen.Agent(), _frozen.Leader.Tracee, signals));

    /// <summary>Likewise, for one of the threads that are held.</summary>
    public Outcome QueueThreadSignals(int tid, IReadOnlyList<byte[]> signals) =>
        Do(Stage.Freeze, () => SignalQueue.ToThread(_frozen.Agent(), _frozen.Of(tid).Tracee, signals));

    /// <summary>Ends the call a thread was stopped in, which waits under this mask, if a signal that waits now would: true, and the thread goes
    /// on, alone; it is not held any more. False: nothing has changed. In a process that has its agent for good.</summary>
    /// <param name="goesOn">Called just before it does, on the tracer's thread: from then on its calls are its own.</param>
    public Outcome<bool> EndWait(ulong mask, int? tid, Action goesOn)
    {
        var outcome = Do<bool>(Stage.Freeze, () => WaitEnd.Try(_frozen, _frozen.Of(tid), mask, goesOn));
        Threads = Tids();
        if (!outcome.Ok || Threads.Count == 0)
        {
            End();
        }

        return outcome;
    }

    /// <summary>
    /// The one thread that is held was stopped in a clone(2) whose notification was answered -ERESTARTNOINTR: it makes that clone here and
    /// now, and its registers have the result. The new thread is held too, before its first instruction. nextTid makes homeTid the next
    /// number of the innermost pid namespace; a clone that got another one is undone (-EAGAIN). Returns the new thread's tid here.
    /// </summary>
    public Outcome<int> CloneThread(Action<int> nextTid, int homeTid)
    {
        var outcome = Do(Stage.Forward, () => ConductedClone.Execute(_frozen, nextTid, homeTid));
        Threads = Tids();
        return outcome;
    }

    /// <summary>
    /// The one thread that is held was stopped in a call that makes a process, whose notification was answered -ERESTARTNOINTR: it makes it here
    /// and now. born hears of the child's pid here before it runs, on the tracer's thread; when it says no, the child ends and the call is -EAGAIN.
    /// nextTid makes homePid the next number of the innermost pid namespace. A maker that waits for its child is not held any more.
    /// </summary>
    public Outcome<int> CloneProcess(ProcessCloneCall clone, Action<int> nextTid, int homePid, Func<int, bool> born)
    {
        var outcome = Do(Stage.Forward, () => ConductedFork.Execute(_frozen, clone, nextTid, homePid, born));
        Threads = Tids();
        if (Threads.Count == 0)
        {
            End();
        }

        return outcome;
    }

    /// <summary>The one thread that is held was stopped in a call whose notification was answered -ERESTARTNOINTR, and which does not sleep: it makes it
    /// here and now. Returns the kernel's word, which its registers have too.</summary>
    public Outcome<long> MakeCall() => Do<long>(Stage.Forward, () => OwnCall.Execute(_frozen.First));

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
        var outcome = Do(Stage.Commit, () => Deputizer.Deputize(Whole(), image));
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

    private static Outcome<FrozenProcess> Stop(int pid, Func<Outcome<FrozenThreads>> stop, bool whole)
    {
        // The end of the thread gives up every seizure, whether it has come to a stop or not.
        var outcome = TracerThread.Begin(pid, Stage.Freeze, stop, out var tracer);
        return outcome.Ok ? new FrozenProcess(tracer!, outcome.Value, whole) : outcome.Failure;
    }

    private FrozenThreads Whole() =>
        _whole ? _frozen : throw new InvalidOperationException($"only one thread of {Pid} is held");

    private IReadOnlyList<int> Tids() => [.. _frozen.Threads.Select(thread => thread.Tid)];

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
