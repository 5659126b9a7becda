using OpenMosix.Checkpoint.Interop;
using OpenMosix.Checkpoint.Proc;
using OpenMosix.Checkpoint.Tracing;

namespace OpenMosix.Checkpoint.Freeze;

/// <summary>
/// Ends a call that waits under a signal mask of its own (ppoll, pselect6, epoll_pwait) by a signal that only this mask lets through. Mask,
/// handler's frame and the order of signals are the kernel's work: the thread executes rt_sigsuspend with that mask in the place of its
/// call, and at the stop for the signal it gets its registers back with -EINTR.
/// </summary>
internal static class WaitEnd
{
    /// <param name="goesOn">Called just before it does.</param>
    /// <returns>True: the thread goes on, into its handler or its end, and is no longer ours. False: nothing has changed.</returns>
    public static bool Try(FrozenThreads frozen, FrozenThread thread, ulong mask, Action goesOn)
    {
        var tracee = thread.Tracee;
        var status = ProcessStatus.Read(tracee.Tid) ?? throw new TraceeException($"thread {tracee.Tid} is gone", Errno.ESRCH);
        return status.WouldTake(mask) && WaitUnder(frozen, thread, mask, goesOn);
    }

    /// <summary>Likewise, whatever waits.</summary>
    internal static bool WaitUnder(FrozenThreads frozen, FrozenThread thread, ulong mask, Action goesOn)
    {
        var tracee = thread.Tracee;
        var agent = frozen.Agent();
        frozen.PutBack(thread);
        var registers = tracee.Registers;
        tracee.Write(agent.Area.BatchData, BitConverter.GetBytes(mask));
        tracee.Registers = RestartRules.Suspended(registers, agent.SyscallInstruction, agent.Area.BatchData);
        if (Wait(tracee) is not { } signal)
        {
            tracee.Registers = registers;
            return false;
        }

        tracee.Registers = RestartRules.Ended(registers);
        frozen.Forget(thread);
        if (tracee.HeldStop)
        {
            _ = Kernel.Kill(frozen.Pid, Signals.SIGSTOP);
        }

        goesOn();
        tracee.Detach(signal);
        return true;
    }

    /// <summary>A signal for the process another of its threads may take first, when those run: the call is then about to be made again, and
    /// is not.</summary>
    /// <returns>The signal at whose delivery the thread stands; null: there is none.</returns>
    private static int? Wait(Tracee tracee)
    {
        // No signal that its own mask lets through comes before: the call may have blocked it.
        var mask = tracee.SignalMask;
        tracee.SignalMask = ulong.MaxValue;
        tracee.ResumeUntil(Ptrace.PTRACE_SYSCALL, status => status.IsSystemCall);
        tracee.SignalMask = mask;
        // It returns at once, to a stop that takes the place of the one asked for, and whatever waits is looked at under its mask.
        tracee.Interrupt();
        tracee.ResumeUntil(Ptrace.PTRACE_SYSCALL, status => status.IsSystemCall);
        var stop = tracee.ResumeUntil(Ptrace.PTRACE_SYSCALL, status => status.IsSignalDelivery || status.IsSystemCall);
        if (stop.IsSignalDelivery)
        {
            return stop.StopSignal;
        }

        var registers = tracee.Registers;
        registers.OrigRax = ulong.MaxValue;
        tracee.Registers = registers;
        tracee.Interrupt();
        tracee.ResumeUntil(Ptrace.PTRACE_CONT, status => status.IsEventStop);
        return null;
    }
}
