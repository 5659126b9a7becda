using OpenMosix.Checkpoint.Interop;

namespace OpenMosix.Checkpoint.Tracing;

/// <summary>
/// The time in which foreign code runs in a tracee (as rr's AutoRemoteSyscalls): the registers and the signal mask it came with are put back
/// at the end of the scope. Meanwhile every signal but SIGTRAP is blocked; SIGTRAP, because the kernel resets a blocked
/// signal that it must force. A quiet injection blocks that too and forces nothing: single calls only.
/// </summary>
internal readonly ref struct Injection
{
    private const ulong SyscallInstructionBytes = 2;

    private readonly Tracee _tracee;
    private readonly Registers _registers;
    private readonly ulong _mask;
    private readonly bool _quiet;

    public Injection(Tracee tracee, bool quiet = false)
    {
        _quiet = quiet;
        _tracee = tracee;
        _registers = tracee.Registers;
        _mask = tracee.SignalMask;
        tracee.SignalMask = quiet ? ulong.MaxValue : ~Signals.Bit(Signals.SIGTRAP);
    }

    /// <summary>Executes one call, which does not sleep, at an existing syscall instruction. Leaves the tracee in a stop inside the kernel's
    /// signal code. Every stop waits for the tracee to be scheduled, which on a busy node is what costs: so it is one, a single step.
    /// Where SIGTRAP is ignored a step would reset that, and two stops are made that force nothing.</summary>
    /// <returns>The kernel's word.</returns>
    public long Call(RemoteAddress instruction, long number, params ReadOnlySpan<ulong> args)
    {
        if (_quiet || _tracee.TrapIgnored)
        {
            return CallInterrupted(instruction, number, args);
        }

        _tracee.Registers = Frame(instruction, number, args);
        var tracee = _tracee;
        var behind = instruction.Value + SyscallInstructionBytes;
        _tracee.ResumeUntil(
            Ptrace.PTRACE_SINGLESTEP,
            status => status.IsSignalDelivery && status.StopSignal == Signals.SIGTRAP && tracee.Registers.Rip == behind);
        return (long)_tracee.Registers.Rax;
    }

    /// <summary>Likewise; a call that sleeps is interrupted at once, and its restart_block holds the end of its sleep.</summary>
    /// <returns>The kernel's word, -ERESTART* too.</returns>
    public long CallInterrupted(RemoteAddress instruction, long number, params ReadOnlySpan<ulong> args)
    {
        _tracee.Registers = Frame(instruction, number, args);
        _tracee.ResumeUntil(Ptrace.PTRACE_SYSCALL, status => status.IsSystemCall);
        // The trap that follows the call is set before the call begins: one resume less than waiting for its end, and the stop is where
        // registers with -ERESTART* may be put in. A stop at the end of a call is not.
        _tracee.Interrupt();
        _tracee.ResumeUntil(Ptrace.PTRACE_CONT, status => status.IsEventStop);
        return (long)_tracee.Registers.Rax;
    }

    /// <summary>Runs code from entry to the int3 before end. A SIGTRAP anywhere else is somebody's signal.</summary>
    public void Run(RemoteAddress entry, RemoteAddress end, RemoteAddress stack, ulong argument)
    {
        var frame = _registers;
        frame.Rip = entry.Value;
        frame.Rdi = argument;
        frame.Rsp = stack.Value;
        frame.Rax = 0;
        frame.OrigRax = ulong.MaxValue;
        frame.Eflags = 0x202;
        _tracee.Registers = frame;
        var tracee = _tracee;
        _tracee.ResumeUntil(
            Ptrace.PTRACE_CONT,
            status => status.IsSignalDelivery && status.StopSignal == Signals.SIGTRAP && tracee.Registers.Rip == end.Value);
    }

    public void Dispose()
    {
        _tracee.Registers = _registers;
        _tracee.SignalMask = _mask;
    }

    private Registers Frame(RemoteAddress instruction, long number, ReadOnlySpan<ulong> args)
    {
        var frame = _registers;
        frame.Rip = instruction.Value;
        frame.Rax = (ulong)number;
        frame.OrigRax = ulong.MaxValue; // whatever it was in is not to be restarted now
        frame.Eflags = 0x202;
        frame.Rdi = Argument(args, 0);
        frame.Rsi = Argument(args, 1);
        frame.Rdx = Argument(args, 2);
        frame.R10 = Argument(args, 3);
        frame.R8 = Argument(args, 4);
        frame.R9 = Argument(args, 5);
        return frame;
    }

    private static ulong Argument(ReadOnlySpan<ulong> args, int index) => index < args.Length ? args[index] : 0;
}
