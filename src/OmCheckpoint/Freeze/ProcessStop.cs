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
    private readonly int _pid;
    private readonly FreezeOptions _options;
    private readonly CancellationToken _cancellation;
    private readonly TrapState _trap = new();
    private readonly HashSet<int> _known = [];
    private readonly Queue<Tracee> _moving = [];
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
        return status is null || status.State is 'X' || (status.State is 'Z' && status.Threads < 2) ? NoSuch($"there is no process {_pid}")
            : LeaderExited() is { } exited ? exited
            : !status.HasMemory ? Failures.Refused(Stage.Freeze, Refusals.NoMemory())
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

        var interruption = _options.Interrupted?.Invoke([.. _moving.Select(tracee => tracee.Tid)]) ?? default;
        if (interruption.GiveUp is { } why)
        {
            return Failures.Broken(Stage.Freeze, $"process {_pid} cannot be stopped now: {why}", Errno.EBUSY);
        }

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

        foreach (var tid in fresh)
        {
            var tracee = new Tracee(tid, _trap);
            // The leader's end is no event for waitpid while other threads are left.
            var error = tracee.Seize(Ptrace.PTRACE_O_TRACESYSGOOD | options | (tid == _pid ? Ptrace.PTRACE_O_TRACEEXIT : 0));
            if (error == 0)
            {
                // One that has ended meanwhile says so when it is waited for.
                _ = Ptrace.Call(Ptrace.PTRACE_INTERRUPT, tid);
                _moving.Enqueue(tracee);
            }
            else if (MustBeSeized(tid))
            {
                throw new TraceeException($"thread {tid} of process {_pid} cannot be seized", error);
            }
            else if (tid == _pid)
            {
                throw LeaderExited() is null ? new TraceeException($"process {_pid} has ended", Errno.ESRCH) : new RefusedException(Refusals.LeaderExited());
            }
        }

        return fresh.Count > 0;
    }

    private static bool MustBeSeized(int tid)
    {
        var status = ProcessStatus.Read(tid);
        if (status?.TracerPid == Kernel.ThreadId())
        {
            return false; // just made: the stop of the one that made it tells
        }

        if (status is { TracerPid: not 0 })
        {
            throw new RefusedException(Refusals.Traced(status.TracerPid));
        }

        return status is { State: not ('Z' or 'X') };
    }

    /// <returns>null: all that is left of them stands.</returns>
    private Failure? WaitForStops(WakeUp wakeUp)
    {
        Tracee? leader = null;
        while (_moving.TryDequeue(out var tracee))
        {
            var (woken, stop) = WaitFor(tracee, wakeUp);
            if (woken)
            {
                return _cancellation.IsCancellationRequested ? Failures.Broken(Stage.Freeze, "cancelled", Errno.ECANCELED)
                    : LeaderExited() ?? Failures.Broken(
                        Stage.Freeze, $"thread {tracee.Tid} of process {_pid} did not stop: it waits in the kernel where nothing interrupts it", Errno.ETIMEDOUT);
            }

            if (stop is { Event: Ptrace.PTRACE_EVENT_EXIT })
            {
                leader = tracee;
                tracee.Resume(Ptrace.PTRACE_CONT);
            }
            else if (stop is { } where)
            {
                _stopped.Add((tracee, where));
            }

            if (leader is not null && _moving.Count == 0)
            {
                if (LeaderExited() is { } failure)
                {
                    return failure;
                }

                // The whole process ends, or another of its threads executes a program, for which it takes the leader's number.
                _moving.Enqueue(leader);
                leader = null;
            }
        }

        return null;
    }

    private Failure? LeaderExited() =>
        ProcessStatus.Read(_pid) is { State: 'Z', Threads: > 1 } ? Failures.Refused(Stage.Freeze, Refusals.LeaderExited()) : null;

    /// <summary>The first stop that is a place to work in. A signal that arrives first is delivered, and the stop comes behind it.</summary>
    /// <returns>Stop is null when it has ended, or executes a program under another number (execve of a thread).</returns>
    private (bool Woken, WaitStatus? Stop) WaitFor(Tracee tracee, WakeUp wakeUp)
    {
        while (true)
        {
            var result = Wait.Until(wakeUp, tracee.Tid, Wait.WALL, out var word);
            if (result is -Errno.EINTR)
            {
                return (true, null);
            }

            var status = new WaitStatus(word);
            if (result < 0 || status.IsGone)
            {
                return tracee.Tid == _pid ? throw new TraceeGoneException(status) : (false, null);
            }

            if (status is { IsEventStop: true, StopSignal: Signals.SIGTRAP } && SignalQueue.HasFault(tracee))
            {
                // Its own fault, which the kernel would hand out before any trap of ours, blocked or not: the handler's frame first.
                _ = Ptrace.Call(Ptrace.PTRACE_CONT, tracee.Tid);
                continue;
            }

            if (status.IsEventStop || status.Event == Ptrace.PTRACE_EVENT_EXIT)
            {
                return (false, status);
            }

            if (status.Event == Ptrace.PTRACE_EVENT_CLONE)
            {
                TakeBorn(tracee);
            }

            // Any stop takes the place of the one that was asked for. Killed, it does not stand any more: the next wait tells.
            _ = Ptrace.Call(Ptrace.PTRACE_INTERRUPT, tracee.Tid);
            _ = Ptrace.Call(Ptrace.PTRACE_CONT, tracee.Tid, 0, status.IsSignalDelivery ? status.StopSignal : 0);
        }
    }

    /// <summary>A clone that is no thread (it has another exit signal) is another process, and none of ours.</summary>
    private void TakeBorn(Tracee parent)
    {
        var child = parent.Born();
        if (TaskList.Has(_pid, child.Tid))
        {
            _known.Add(child.Tid);
            _moving.Enqueue(child);
        }
        else
        {
            child.WaitStop();
            child.Detach();
        }
    }

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
