using OpenMosix.Checkpoint.Interop;
using OpenMosix.Checkpoint.Proc;

namespace OpenMosix.Checkpoint.Tracing;

/// <summary>Has a thread that stands still execute clone(2). The child is seized by the same tracer, with the same options, before its first
/// instruction; both stand in a stop inside the kernel's signal code afterwards.</summary>
internal static class ThreadBirth
{
    /// <param name="parent">Its mask lets no signal through: one that waited would make clone restart.</param>
    /// <param name="call">Registers that stand before the system call's instruction.</param>
    /// <param name="options">PTRACE_O_* of both, but for the one that this takes.</param>
    /// <returns>The kernel's word, and the child if there is one.</returns>
    public static (long Result, Tracee? Child) Make(Tracee parent, in Registers call, int options)
    {
        Tracee? child = null;
        parent.SetOptions(options | Ptrace.PTRACE_O_TRACECLONE);
        parent.Registers = call;
        parent.ResumeUntil(Ptrace.PTRACE_SYSCALL, status => status.IsSystemCall);
        if (!parent.ResumeUntil(Ptrace.PTRACE_SYSCALL, status => status.IsSystemCall || status.Event == Ptrace.PTRACE_EVENT_CLONE).IsSystemCall)
        {
            child = parent.Born();
            parent.ResumeUntil(Ptrace.PTRACE_SYSCALL, status => status.IsSystemCall);
        }

        var result = (long)parent.Registers.Rax;
        // Not before: with the trap at the door clone would restart.
        parent.Interrupt();
        parent.ResumeUntil(Ptrace.PTRACE_CONT, status => status.IsEventStop);
        parent.SetOptions(options);
        child?.WaitStop();
        child?.SetOptions(options);
        return (result, child);
    }

    /// <summary>Ends a thread that has not run yet, without a trace in the program's memory.</summary>
    public static void Unmake(Tracee child, RemoteAddress syscallInstruction)
    {
        using (var injection = new Injection(child, quiet: true))
        {
            injection.Call(syscallInstruction, CallNumber.set_tid_address, 0);
        }

        var registers = child.Registers;
        registers.Rip = syscallInstruction.Value;
        registers.Rax = CallNumber.exit;
        registers.OrigRax = ulong.MaxValue;
        registers.Rdi = 0;
        child.SignalMask = ulong.MaxValue;
        child.Registers = registers;
        child.Resume(Ptrace.PTRACE_CONT);
        child.WaitEnd();
    }

    /// <summary>What it is called in the innermost of its pid namespaces.</summary>
    public static int InnermostTid(Tracee thread) => ProcessStatus.InnermostIds(thread.Tid).Tid;
}
