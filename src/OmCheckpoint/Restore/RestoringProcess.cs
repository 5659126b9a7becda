using Microsoft.Win32.SafeHandles;
using OpenMosix.Checkpoint.Cpu;
using OpenMosix.Checkpoint.Freeze;
using OpenMosix.Checkpoint.Snapshot;
using OpenMosix.Checkpoint.Tracing;
using OpenMosix.Protocol.Errors;
using OpenMosix.Protocol.V1;

namespace OpenMosix.Checkpoint.Restore;

public sealed record FinishOptions
{
    /// <summary>A compiled seccomp filter (struct sock_filter[]) to run under; empty: none.</summary>
    public ReadOnlyMemory<byte> SeccompProgram { get; init; }

    /// <summary>At home, by slot: signals (siginfo, 128 bytes each) that reached the deputy's thread and were not passed on. They wait for the
    /// thread or for the process, as each of them tells.</summary>
    public IReadOnlyDictionary<uint, IReadOnlyList<byte[]>> Signals { get; init; } = new Dictionary<uint, IReadOnlyList<byte[]>>();
}

/// <summary>A thread of the body that is being restored.</summary>
/// <param name="Tid">At home.</param>
/// <param name="HostTid">Here.</param>
public readonly record struct RestoredThread(int Tid, int HostTid, uint Slot);

/// <summary>
/// A process that is being made into the body an image describes: a blank child in a cell (Begin), the deputy at home (BeginReturn), or
/// the deputy of a move that did not happen (TakeBack). The caller writes the pages between Begin and Finish. Ends by Run or Abort;
/// Dispose aborts. Calls may come from any thread, one at a time.
/// </summary>
public sealed class RestoringProcess : IDisposable
{
    private readonly TracerThread _thread;
    private readonly IRestoreTarget _target;
    private bool _ended;

    private RestoringProcess(int pid, TracerThread thread, IRestoreTarget target)
    {
        Pid = pid;
        _thread = thread;
        _target = target;
        Threads = target.Threads;
    }

    public int Pid { get; }

    /// <summary>The leader first.</summary>
    public IReadOnlyList<RestoredThread> Threads { get; }

    /// <summary>Per image.Files: the address at which file offset 0 lies while it is being filled (modulo 2^64); 0: not wanted.</summary>
    public IReadOnlyList<ulong> FileBases => _target.Files.Bases;

    /// <summary>Takes a blank child (any process with one thread that only waits) and builds the address space. It stays stopped.
    /// It is killed should this process end before Run.</summary>
    /// <param name="nextTid">Makes a number the next one of the child's pid namespace, so that threads have the tids they have at home; null:
    /// they have what comes.</param>
    /// <param name="present">Shared memory that another process of its group has brought already; what it returns is closed.</param>
    public static Outcome<RestoringProcess> Begin(
        int pid, ProcessImage image, Action<int>? nextTid = null, Func<MappedFile, SafeFileHandle?>? present = null) => Start(pid, Stage.Restore, () =>
    {
        if (image.Threads.Select(XsaveLayout.Missing).FirstOrDefault(missing => missing is not null) is { } component)
        {
            return Failures.Refused(Stage.Restore, Refusals.CpuFeatures($"component {component} of the extended registers"));
        }

        var features = CpuFeatures.Missing(image.Cpu.Features.Span, CpuFeatures.Read());
        if (features.Count > 0)
        {
            return Failures.Refused(Stage.Restore, Refusals.CpuFeatures(string.Join(", ", features)));
        }

        var tracee = BlankChild.Seize(pid);
        return BlankChild.Differs(tracee, image) is { } refusal
            ? Failures.Refused(Stage.Restore, refusal)
            : new RemoteTarget(tracee, image, nextTid, present ?? (_ => null));
    });

    /// <summary>Home: stops the deputy and repairs the skeleton so that pages can be written.</summary>
    /// <param name="guarded">Memory that this process has mapped for reading only, from somebody who may write it; the callee's to close. Default: from nobody.</param>
    public static Outcome<RestoringProcess> BeginReturn(int pid, ProcessImage image, Func<MappedFile, SafeFileHandle?>? guarded = null) => Start(pid, Stage.Return, () =>
    {
        var stopped = StoppedDeputy.Stop(pid, image);
        return stopped.Ok ? new HomeTarget(stopped.Value, guarded ?? (_ => null)) : stopped.Failure;
    });

    /// <summary>Home: a deputy whose body never ran goes on as the process image describes. Its pages were kept. Runs when this returns.</summary>
    public static Outcome TakeBack(int pid, ProcessImage image, FinishOptions? options = null)
    {
        using var thread = new TracerThread(pid);
        var outcome = Guard.Run<bool>(Stage.Commit, () => thread.Invoke<Outcome<bool>>(() =>
        {
            var stopped = StoppedDeputy.Stop(pid, image);
            if (!stopped.Ok)
            {
                return stopped.Failure;
            }

            HomeTarget.TakeBack(stopped.Value, options ?? new FinishOptions());
            return true;
        }));
        return outcome.Ok ? Outcome.Done : outcome.Failure;
    }

    /// <summary>All pages are there. With a filter, returns the listener.</summary>
    public Outcome<SafeFileHandle?> Finish(FinishOptions? options = null) =>
        Do(Stage.Restore, () => _target.Finish(options ?? new FinishOptions()));

    /// <summary>Lets it run, detached.</summary>
    public Outcome Run()
    {
        var outcome = Do<bool>(Stage.Commit, () =>
        {
            _target.Run();
            return true;
        });
        End();
        return outcome.Ok ? Outcome.Done : outcome.Failure;
    }

    /// <summary>A blank child is killed. A deputy is made a deputy again, in the agent, its pages undefined.</summary>
    public void Abort()
    {
        if (_ended)
        {
            return;
        }

        // A deputy or child that died meanwhile needs nothing more.
        _ = Do<bool>(Stage.Restore, () =>
        {
            _target.Abort();
            return true;
        });
        End();
    }

    public void Dispose() => Abort();

    private static Outcome<RestoringProcess> Start(int pid, string stage, Func<Outcome<IRestoreTarget>> begin)
    {
        // With the thread ends what it traces: a blank child is killed, a deputy goes on.
        var outcome = TracerThread.Begin(pid, stage, begin, out var tracer);
        return outcome.Ok ? new RestoringProcess(pid, tracer!, outcome.Value) : outcome.Failure;
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
}
