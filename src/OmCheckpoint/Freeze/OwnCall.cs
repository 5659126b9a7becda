using OpenMosix.Checkpoint.Interop;
using OpenMosix.Checkpoint.Tracing;

namespace OpenMosix.Checkpoint.Freeze;

/// <summary>A call that a thread's listener has handed out and that this kernel is to execute after all, by the thread itself with the mask
/// it has: what it sends to itself is delivered before the program sees the result, as always.</summary>
internal static class OwnCall
{
    private const ulong SyscallInstructionBytes = 2;

    /// <summary>Of a call that does not sleep.</summary>
    /// <returns>The kernel's word, which is in the registers too.</returns>
    public static long Execute(FrozenThread frozen)
    {
        var tracee = frozen.Tracee;
        var asked = tracee.Registers;
        if ((long)asked.OrigRax < 0 || (long)asked.Rax != -Errno.ERESTARTNOINTR)
        {
            throw new InvalidOperationException($"thread {tracee.Tid} does not stand in a call that is to be made");
        }

        tracee.Registers = asked with { Rip = asked.Rip - SyscallInstructionBytes, Rax = asked.OrigRax, OrigRax = ulong.MaxValue };
        // A signal that waits already is delivered behind the call: here its delivery would be a stop of its own, in front of it.
        var mask = tracee.SignalMask;
        tracee.SignalMask = ulong.MaxValue;
        tracee.ResumeUntil(Ptrace.PTRACE_SYSCALL, status => status.IsSystemCall);
        tracee.SignalMask = mask;
        // The trap is taken behind the call, and before a signal is.
        tracee.Interrupt();
        tracee.ResumeUntil(Ptrace.PTRACE_CONT, status => status.IsEventStop);
        return (long)tracee.Registers.Rax;
    }
}
