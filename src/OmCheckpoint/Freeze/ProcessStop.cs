using OpenMosix.Checkpoint.Interop;
using OpenMosix.Checkpoint.Proc;
using OpenMosix.Checkpoint.Tracing;
using OpenMosix.Protocol.Errors;
using OpenMosix.Protocol.Image;
using OpenMosix.Protocol.V1;
using ProcessStatus = OpenMosix.Checkpoint.Proc.ProcessStatus;

namespace OpenMosix.Checkpoint.Freeze;

/// <summary>
/// Brings the threads of a process to a stop. On the tracer's thread, whose end lets go of them all, unchanged: what fails here needs no
/// undoing. All are seized and interrupted first, and their stops waited for then. A thread that one of them makes meanwhile is attached
/// by the kernel (PTRACE_O_TRACECLONE) and stands before its first instruction.
/// </summary>
internal sealed class ProcessStop
{
    private const string Between = "the process ends, or one of its threads executes a program";

    private readonly int _pid;
    private readonly FreezeOptions _options;
    private readonly CancellationToken _cancellation;
    private readonly TrapState _trap = new();
    private readonly HashSet<int> _known = [];
    private readonly Dictionary<int, Tracee> _moving = [];
    private readonly List<(Tracee Tracee, WaitStatus Stop)> _stopped = [];
    private readonly Dictionary<int, SleepObservation> _observations = [];

    private ProcessStop(int pid, FreezeOptions options, CancellationToken cancellation)
    {
        _pid = pid;
        _options = options;
        _cancellation = cancellation;
    }

    /// <summary>The whole process.</summary>
    public static Outcome<FrozenThreads> All(int pid, FreezeOptions options, CancellationToken cancellation)
    {
        var stop = new ProcessStop(pid, options, cancellation);
        return stop.Unstoppable() is { } failure ? failure : stop.Stop(() => stop.SeizeNew(TaskList.Of(pid), Ptrace.PTRACE_O_TRACECLONE));
    }

    /// <summary>One thread; the others run on.</summary>
    public static Outcome<FrozenThreads> One(int pid, int tid, FreezeOptions options, CancellationToken cancellation)
    {
        var stop = new ProcessStop(pid, options, cancellation);
        return stop.Unstoppable() is { } failure ? failure
            : !TaskList.Has(pid, tid) ? NoSuch($"process {pid} has no thread {tid}")
            : stop.Stop(() => stop.SeizeNew([tid], 0));
    }

    private static Failure NoSuch(string message) => Failures.Broken(Stage.Freeze, message, Errno.ESRCH);

    private Failure? Unstoppable()
    {
        var status = ProcessStatus.Read(_pid);
        return status is null or { State: 'Z', Threads: 1 } ? NoSuch($"there is no process {_pid}")
            : LeaderExited(status) ? Failures.Refused(Stage.Freeze, Refusals.LeaderExited())
            : status.IsKernelThread ? Failures.Refused(Stage.Freeze, Refusals.NoMemory())
            : !status.HasMemory ? Failures.Broken(Stage.Freeze, Between, Errno.EBUSY)
            : status.Threads > ImageFormat.ThreadsMax ? Failures.Refused(Stage.Freeze, Refusals.Threads(status.Threads))
            : status.TracerPid != 0 ? Failures.Refused(Stage.Freeze, Refusals.Traced(status.TracerPid))
            : null;
    }

    /// <param name="seizeNew">Seizes what is not known yet; false: there was nothing.</param>
    private Outcome<FrozenThreads> Stop(Func<bool> seizeNew)
    {
        while (seizeNew())
        {
        }

        var interruption = _options.Interrupted?.Invoke([.. _moving.Keys]) ?? default;
        if (interruption.GiveUp is { } why)
        {
            return Failures.Broken(Stage.Freeze, $"process {_pid} cannot be stopped now: {why}", Errno.EBUSY);
        }

        var stopped = false;
        try
        {
            var outcome = WaitForAll(seizeNew, interruption);
            stopped = outcome.Ok;
            return outcome;
        }
        finally
        {
            if (!stopped)
            {
                interruption.Undo?.Invoke();
            }
        }
    }

    private Outcome<FrozenThreads> WaitForAll(Func<bool> seizeNew, Interruption interruption)
    {
        using var wakeUp = new WakeUp(_options.Timeout, _cancellation);
        do
        {
            if (WaitForStops(wakeUp) is { } failure)
            {
                return failure;
            }
        }
        while (seizeNew()); // a thread made with CLONE_UNTRACED, which the kernel does not attach

        return _stopped.Count == 0 ? NoSuch($"the thread of {_pid} has ended") : new FrozenThreads(_pid, _options, Take(interruption));
    }

    private bool SeizeNew(IReadOnlyList<int> tids, int options)
    {
        var fresh = tids.Where(_known.Add).ToList();
        foreach (var (tid, observation) in SleepObservation.Observe(_pid, fresh))
        {
            _observations[tid] = observation;
        }

        List<int> seized = [.. _moving.Keys, .. _stopped.Select(thread => thread.Tracee.Tid)];
        // One alone has nobody to wait for.
        using var deadlock = fresh.Count > 0 && seized.Count + fresh.Count > 1 ? new SeizeDeadlock(seized) : null;
        foreach (var tid in fresh)
        {
            Seize(tid, options);
            deadlock?.Add(tid);
        }

        foreach (var tid in deadlock?.End() ?? [])
        {
            Ended(tid);
        }

        return fresh.Count > 0;
    }

    private void Seize(int tid, int options)
    {
        var tracee = new Tracee(tid, _trap);
        var error = tracee.Seize(Ptrace.PTRACE_O_TRACESYSGOOD | Ptrace.PTRACE_O_TRACEEXEC | options);
        if (error != 0 && !IsOurs(tid, error))
        {
            return;
        }

        // One that has ended meanwhile says so when it is waited for.
        if (error == 0 && Ptrace.Call(Ptrace.PTRACE_INTERRUPT, tid) == -Errno.ESRCH && !TaskList.Has(_pid, tid))
        {
            // While it was being seized it has executed a program, for which it took the leader's number.
            _ = Ptrace.Call(Ptrace.PTRACE_INTERRUPT, _pid);
            return;
        }

        _moving.Add(tid, tracee);
    }

    /// <summary>Why a thread cannot be seized: it has just been made by one that is, and is ours already (true), or it has ended (false).</summary>
    private bool IsOurs(int tid, int error)
    {
        var status = ProcessStatus.Read(tid);
        return status?.TracerPid == Kernel.ThreadId() ? true
            : status is { TracerPid: not 0 } ? throw new RefusedException(Refusals.Traced(status.TracerPid))
            : status is { State: not ('Z' or 'X') } ? throw new TraceeException($"thread {tid} of process {_pid} cannot be seized", error)
            : tid != _pid ? false
            : LeaderExited(status) ? throw new RefusedException(Refusals.LeaderExited())
            : status is null or { Threads: 1 } ? throw new TraceeException($"process {_pid} has ended", Errno.ESRCH)
            : throw new TraceeException(Between, Errno.EBUSY);
    }

    /// <returns>null: all that is left of them stands.</returns>
    private Failure? WaitForStops(WakeUp wakeUp)
    {
        while (_moving.Count > 0)
        {
            // Of the leader's end nothing is heard while others are left.
            if (_moving.Count == 1 && _moving.ContainsKey(_pid) && ProcessStatus.Read(_pid) is { } leader)
            {
                if (LeaderExited(leader))
                {
                    return Failures.Refused(Stage.Freeze, Refusals.LeaderExited());
                }

                if (leader.TracerPid != Kernel.ThreadId())
                {
                    Forget(); // a thread that was not seized has executed a program, and has made others since
                    return null;
                }
            }

            // Whichever comes first: some do not end before others have been waited for (execve of a thread).
            var tid = Wait.Until(wakeUp, Wait.Any, Wait.WALL | Wait.WNOTHREAD, out var word);
            if (tid == -Errno.EINTR)
            {
                return NotStopped();
            }

            if (tid == -Errno.ECHILD)
            {
                Forget(); // likewise, or it was the end
                return null;
            }

            Tracee.Check(tid, "waitpid");
            Took(tid, new WaitStatus(word));
        }

        return null;
    }

    /// <summary>All begins again, with what there is now; what is seized already is known by being ours.</summary>
    private void Forget()
    {
        _moving.Clear();
        _known.Clear();
        foreach (var (tracee, _) in _stopped)
        {
            _known.Add(tracee.Tid);
        }
    }

    private void Took(int tid, WaitStatus status)
    {
        if (status.IsGone)
        {
            Ended(tid);
            return;
        }

        // One that was just made may be heard of before the one that made it.
        _known.Add(tid);
        _moving.TryAdd(tid, new Tracee(tid, _trap));
        var tracee = _moving[tid];
        if (status is { IsEventStop: true, StopSignal: Signals.SIGTRAP } && HasFault(tracee))
        {
            // Its own fault, which the kernel would hand out before any trap of ours, blocked or not: the handler's frame first.
            _ = Ptrace.Call(Ptrace.PTRACE_CONT, tid);
            return;
        }

        if (status.IsEventStop)
        {
            Stopped(tracee, status);
            return;
        }

        switch (status.Event)
        {
            case Ptrace.PTRACE_EVENT_EXEC:
                // It has the leader's number now, and all others are gone.
                _stopped.Clear();
                _moving.Clear();
                _moving.Add(tid, tracee);
                break;
            case Ptrace.PTRACE_EVENT_CLONE when tracee.Born() is var born && _known.Add(born.Tid):
                _moving.Add(born.Tid, born);
                break;
        }

        // Any stop takes the place of the one that was asked for. Killed, it does not stand any more: the next wait tells.
        _ = Ptrace.Call(Ptrace.PTRACE_INTERRUPT, tid);
        _ = Ptrace.Call(Ptrace.PTRACE_CONT, tid, 0, status.IsSignalDelivery ? status.StopSignal : 0);
    }

    private static bool HasFault(Tracee tracee)
    {
        try
        {
            return SignalQueue.HasFault(tracee);
        }
        catch (TraceeException killed) when (killed.Error == Errno.ESRCH)
        {
            return false; // the next wait tells
        }
    }

    /// <summary>It may have stood already: execve kills the others wherever they are.</summary>
    private void Ended(int tid)
    {
        _moving.Remove(tid);
        _stopped.RemoveAll(thread => thread.Tracee.Tid == tid);
        if (tid == _pid)
        {
            throw new TraceeException($"process {_pid} has ended", Errno.ESRCH);
        }
    }

    private void Stopped(Tracee tracee, WaitStatus stop)
    {
        _moving.Remove(tracee.Tid);
        if (!TaskList.Has(_pid, tracee.Tid))
        {
            // A clone that is no thread (it has another exit signal): another process, and none of ours.
            tracee.Detach();
            return;
        }

        _stopped.Add((tracee, stop));
    }

    private Failure NotStopped() =>
        _cancellation.IsCancellationRequested ? Failures.Broken(Stage.Freeze, "cancelled", Errno.ECANCELED)
        : LeaderExited(ProcessStatus.Read(_pid)) ? Failures.Refused(Stage.Freeze, Refusals.LeaderExited())
        : Failures.Broken(
            Stage.Freeze, $"thread {_moving.Keys.First()} of process {_pid} did not stop: it waits in the kernel where nothing interrupts it", Errno.ETIMEDOUT);

    private static bool LeaderExited(ProcessStatus? leader) => leader is { State: 'Z', Threads: > 1 };

    private List<FrozenThread> Take(Interruption interruption)
    {
        var status = ProcessStatus.Read(_pid) ?? throw new TraceeException($"process {_pid} is gone", Errno.ESRCH);
        _trap.Ignored = (status.Ignored & Signals.Bit(Signals.SIGTRAP)) != 0;
        return [.. _stopped.OrderBy(thread => thread.Tracee.Tid == _pid ? 0 : thread.Tracee.Tid).Select(thread =>
        {
            var (tracee, stop) = thread;
            // Not a moment earlier is the filter suspended: until it stands still, its calls would run here and unfiltered.
            tracee.SetOptions(_options.WhileHeld);
            return FrozenThread.Take(tracee, stop, _observations.GetValueOrDefault(tracee.Tid), interruption.Of?.Invoke(tracee.Tid), _options.Deadline);
        })];
    }
}
