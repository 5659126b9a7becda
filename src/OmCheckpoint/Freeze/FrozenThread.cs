using OpenMosix.Checkpoint.Interop;
using OpenMosix.Checkpoint.Proc;
using OpenMosix.Checkpoint.Tracing;
using OpenMosix.Protocol.Errors;

namespace OpenMosix.Checkpoint.Freeze;

/// <summary>The one thread of a frozen process and what was learnt when it stopped. On the tracer's thread.</summary>
internal sealed class FrozenThread
{
    private const ulong UserCodeSegment64 = 0x33;

    private const int Unfiltered = Ptrace.PTRACE_O_TRACESYSGOOD | Ptrace.PTRACE_O_SUSPEND_SECCOMP;

    private readonly FreezeOptions _options;
    private Agent? _agent;

    private FrozenThread(Tracee tracee, FreezeOptions options, bool groupStopped, StopContext context)
    {
        Tracee = tracee;
        _options = options;
        GroupStopped = groupStopped;
        Context = context;
    }

    public Tracee Tracee { get; }

    public bool GroupStopped { get; }

    public StopContext Context { get; }

    public bool IsNative => _options.AgentArea is null;

    /// <summary>Stops it, and leaves it alone again when it may not be touched.</summary>
    public static Outcome<FrozenThread> Stop(int pid, FreezeOptions options, CancellationToken cancellation)
    {
        var status = ProcessStatus.Read(pid);
        if (status is null || status.State is 'Z' or 'X')
        {
            return Failures.Broken(Stage.Freeze, $"there is no process {pid}", Errno.ESRCH);
        }

        if (!status.HasMemory)
        {
            return Failures.Refused(Stage.Freeze, Refusals.NoMemory());
        }

        if (status.Threads > 1)
        {
            return Failures.Refused(Stage.Freeze, Refusals.Threads(status.Threads));
        }

        if (status.TracerPid != 0)
        {
            return Failures.Refused(Stage.Freeze, Refusals.Traced(status.TracerPid));
        }

        var observation = SleepObservation.Observe(pid);
        var tracee = new Tracee(pid, new TrapState());
        var error = tracee.Seize(Ptrace.PTRACE_O_TRACESYSGOOD);
        if (error != 0)
        {
            return Failures.Broken(Stage.Freeze, $"process {pid} cannot be seized: {Errno.Describe(error)}", error);
        }

        tracee.Interrupt();
        Interruption? interruption = options.Interrupted?.Invoke();
        if (interruption?.GiveUp is { } why)
        {
            return Failures.Broken(Stage.Freeze, $"process {pid} cannot be stopped now: {why}", Errno.EBUSY);
        }

        if (WaitForStop(tracee, options.Timeout, cancellation) is not { } stop)
        {
            return cancellation.IsCancellationRequested
                ? Failures.Broken(Stage.Freeze, "cancelled", Errno.ECANCELED)
                : Failures.Broken(Stage.Freeze, $"process {pid} did not stop: it waits in the kernel where nothing interrupts it", Errno.ETIMEDOUT);
        }

        return Take(tracee, options, stop, observation, interruption);
    }

    /// <summary>The agent, brought in when it is first needed.</summary>
    public Agent Agent()
    {
        if (_agent is null)
        {
            var areas = MemoryMap.Read(Tracee.Tid);
            var instruction = AddressSpace.SyscallInstruction(Tracee, areas);
            _agent = _options.AgentArea is { } area
                ? Tracing.Agent.Find(Tracee, area, instruction)
                : Tracing.Agent.Insert(Tracee, AddressSpace.ForAgent(areas, AgentRoom.For(Tracee.Tid, 1)), instruction);
        }

        return _agent;
    }

    /// <summary>Until the result is disposed the thread, which may execute something of its own, is under its filter.</summary>
    public IDisposable? Filtered()
    {
        if (!_options.SuspendSeccomp)
        {
            return null;
        }

        Tracee.SetOptions(Ptrace.PTRACE_O_TRACESYSGOOD);
        return new Suspension(Tracee);
    }

    /// <summary>Goes on where it was.</summary>
    public void LetGo()
    {
        _agent?.PutBack(Tracee);
        _agent?.Leave();
        Tracee.Registers = RestartRules.ForThaw(Tracee.Registers, Context with { Now = ClockReader.Monotonic });
        Release();
    }

    /// <summary>
    /// Ends the call it was stopped in, which waits under a signal mask of its own (ppoll, pselect6, epoll_pwait), if a signal that waits
    /// now would end it. Mask, handler's frame and the order of signals are the kernel's work: the thread executes rt_sigsuspend with
    /// that mask in the place of its call, and at the stop for the signal it gets its registers back with -EINTR.
    /// </summary>
    /// <returns>True: it goes on, into its handler or its end, and is no longer ours.</returns>
    public bool EndWait(ulong mask)
    {
        var status = ProcessStatus.Read(Tracee.Tid) ?? throw new TraceeException("the process is gone", Errno.ESRCH);
        if (!status.WouldTake(mask))
        {
            return false;
        }

        var agent = Agent();
        agent.PutBack(Tracee);
        var registers = Tracee.Registers;
        var where = agent.Area.BatchData;
        Tracee.Write(where, BitConverter.GetBytes(mask));
        Tracee.Registers = RestartRules.Suspended(registers, agent.SyscallInstruction, where);
        var stop = Tracee.ResumeUntil(Ptrace.PTRACE_CONT, stopped => stopped.IsSignalDelivery);
        Tracee.Registers = RestartRules.Ended(registers);
        Release(stop.StopSignal);
        return true;
    }

    /// <summary>Detaches with the registers as they are.</summary>
    public void Release(int signal = 0)
    {
        if (Tracee.HeldStop)
        {
            _ = Kernel.Kill(Tracee.Tid, Signals.SIGSTOP);
        }

        Tracee.Detach(signal);
    }

    /// <summary>The first stop that is a place to work in. A signal that arrives first is delivered, and the stop comes behind it.</summary>
    private static WaitStatus? WaitForStop(Tracee tracee, TimeSpan timeout, CancellationToken cancellation)
    {
        using var wakeUp = new WakeUp(timeout, cancellation);
        while (tracee.WaitStop(wakeUp) is { } status)
        {
            if (status.IsEventStop)
            {
                return status;
            }

            tracee.Resume(Ptrace.PTRACE_CONT, status.IsSignalDelivery ? status.StopSignal : 0);
        }

        return null;
    }

    private static Outcome<FrozenThread> Take(Tracee tracee, FreezeOptions options, WaitStatus stop, SleepObservation? observation, Interruption? interruption)
    {
        var status = ProcessStatus.Read(tracee.Tid) ?? throw new TraceeException("the process is gone", Errno.ESRCH);
        var registers = tracee.Registers;
        var refusal = status.Threads > 1 ? Refusals.Threads(status.Threads)
            : registers.Cs != UserCodeSegment64 ? Refusals.ThirtyTwoBit(status.Name)
            : null;
        if (refusal is not null)
        {
            tracee.Detach();
            return Failures.Refused(Stage.Freeze, refusal);
        }

        if (options.SuspendSeccomp)
        {
            // Not a moment earlier: until it stands still, its calls would run here and unfiltered.
            tracee.SetOptions(Unfiltered);
        }

        var groupStopped = stop.StopSignal != Signals.SIGTRAP;
        var context = new StopContext(
            groupStopped, status.Deliverable != 0, observation?.WaitingSince(tracee.Tid, (long)registers.OrigRax), ClockReader.Monotonic);
        tracee.TrapIgnored = (status.Ignored & Signals.Bit(Signals.SIGTRAP)) != 0;
        tracee.Registers = RseqRules.AbortSection(tracee, interruption is { Answered: false } said ? RestartRules.NotTaken(registers, said.Rest) : registers);
        return new FrozenThread(tracee, options, groupStopped, context);
    }

    private sealed class Suspension(Tracee tracee) : IDisposable
    {
        public void Dispose() => tracee.SetOptions(Unfiltered);
    }
}
