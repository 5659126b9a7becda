using OpenMosix.Checkpoint.Interop;
using OpenMosix.Checkpoint.Tracing;
using OpenMosix.Protocol.Errors;
using OpenMosix.Protocol.V1;

namespace OpenMosix.Checkpoint.Freeze;

/// <summary>A fork(2), vfork(2) or clone(2) of a process that the maker's listener has handed out: executed here and now by the maker itself, with the
/// number that the child has at home. Both are stopped in the kernel's fork, where the child has not run and a vfork does not wait yet.</summary>
internal static class ConductedFork
{
    private const ulong SyscallInstructionBytes = 2;

    /// <param name="born">Told the child's pid here, before it runs. False: it ends unseen.</param>
    /// <returns>The child's pid here; it runs. On failure the maker goes on with the error as its call's result; unless nothing was begun (a group
    /// stop is under way): then it makes its call again.</returns>
    public static Outcome<int> Execute(FrozenThreads frozen, ProcessCloneCall clone, Action<int> nextTid, int homePid, Func<int, bool> born)
    {
        var maker = frozen.First.Tracee;
        var asked = maker.Registers;
        if ((long)asked.OrigRax != clone.Number || (long)asked.Rax != -Errno.ERESTARTNOINTR)
        {
            throw new InvalidOperationException($"thread {maker.Tid} does not stand in the call that makes a process");
        }

        nextTid(homePid);
        var mask = maker.SignalMask;
        var call = asked with { Rip = asked.Rip - SyscallInstructionBytes, Rax = CallNumber.clone, OrigRax = ulong.MaxValue, Rdi = clone.Flags };
        if (clone.Number != CallNumber.clone)
        {
            call.Rsi = 0;
        }

        maker.SignalMask = ulong.MaxValue; // a signal that waits would make clone restart
        maker.SetOptions(frozen.WhileHeld | Ptrace.PTRACE_O_TRACECLONE | Ptrace.PTRACE_O_TRACEFORK | Ptrace.PTRACE_O_TRACEVFORK);
        maker.Registers = call;
        maker.ResumeUntil(Ptrace.PTRACE_SYSCALL, status => status.IsSystemCall);
        var child = maker.ResumeUntil(Ptrace.PTRACE_SYSCALL, status => status.IsSystemCall || IsBirth(status)).IsSystemCall ? null : maker.Born();
        if (child is null)
        {
            var error = (int)-(long)maker.Registers.Rax;
            Restore(frozen, maker, mask);
            return Failed(maker, asked, error);
        }

        if (!Stands(child))
        {
            maker.ResumeUntil(Ptrace.PTRACE_SYSCALL, status => status.IsSystemCall);
            Restore(frozen, maker, mask);
            return Failed(maker, asked, Errno.EAGAIN);
        }

        if (ThreadBirth.InnermostTid(child) != homePid || !born(child.Tid))
        {
            End(child);
            maker.ResumeUntil(Ptrace.PTRACE_SYSCALL, status => status.IsSystemCall);
            Restore(frozen, maker, mask);
            return Failed(maker, asked, Errno.EAGAIN);
        }

        LetGo(child, asked, mask);
        if (clone.WaitsForChild)
        {
            // It stays inside: what it finds when it comes back is set now, but for the result, which is the kernel's.
            maker.SignalMask = mask;
            maker.Registers = maker.Registers with { Rdi = asked.Rdi, Rsi = asked.Rsi };
            maker.SetOptions(frozen.WhileHeld);
            frozen.Release();
            return child.Tid;
        }

        maker.ResumeUntil(Ptrace.PTRACE_SYSCALL, status => status.IsSystemCall);
        var result = maker.Registers.Rax;
        Restore(frozen, maker, mask);
        maker.Registers = asked with { Rax = result, OrigRax = ulong.MaxValue };
        return child.Tid;
    }

    private static bool IsBirth(WaitStatus status) =>
        status.Event is Ptrace.PTRACE_EVENT_CLONE or Ptrace.PTRACE_EVENT_FORK or Ptrace.PTRACE_EVENT_VFORK;

    /// <summary>To a stop inside the kernel's signal code. Not before the call is over: with the trap at the door clone would restart.</summary>
    private static void Restore(FrozenThreads frozen, Tracee maker, ulong mask)
    {
        maker.Interrupt();
        maker.ResumeUntil(Ptrace.PTRACE_CONT, status => status.IsEventStop);
        maker.SetOptions(frozen.WhileHeld);
        maker.SignalMask = mask;
    }

    /// <summary>False: it was killed before it came to its first stop.</summary>
    private static bool Stands(Tracee child)
    {
        try
        {
            child.WaitStop();
            return true;
        }
        catch (TraceeGoneException)
        {
            return false;
        }
    }

    private static void LetGo(Tracee child, in Registers asked, ulong mask)
    {
        try
        {
            child.SignalMask = mask;
            child.Registers = child.Registers with { Rdi = asked.Rdi, Rsi = asked.Rsi, Rax = 0, OrigRax = ulong.MaxValue };
            child.Detach();
        }
        catch (TraceeException killed) when (killed.Error == Errno.ESRCH)
        {
            End(child); // SIGKILL came for it: its maker hears of that as of any end
        }
    }

    private static void End(Tracee child)
    {
        _ = Kernel.Kill(child.Tid, Signals.SIGKILL);
        child.WaitEnd();
    }

    private static Outcome<int> Failed(Tracee maker, in Registers asked, int errno)
    {
        if (errno == Errno.ERESTARTNOINTR)
        {
            maker.Registers = asked;
            return Failures.Broken(Stage.Forward, "a stop came before the fork", Errno.EINTR);
        }

        maker.Registers = asked with { Rax = (ulong)-errno, OrigRax = ulong.MaxValue };
        return Failures.Broken(Stage.Forward, "fork", errno);
    }
}
