using System.Buffers.Binary;
using OpenMosix.Checkpoint.Interop;
using OpenMosix.Checkpoint.Tracing;
using OpenMosix.Protocol.Syscalls;

namespace OpenMosix.Checkpoint.Freeze;

/// <summary>The call a thread was stopped in, as far as it goes on later.</summary>
/// <param name="Registers">With which it goes on anywhere.</param>
/// <param name="Call">A call with a relative timeout that is to end at Deadline; 0: none.</param>
/// <param name="Deadline">On CLOCK_MONOTONIC of this node, ns.</param>
/// <param name="Restart">The kernel's ERESTART* of a call that was interrupted: a signal that is taken before it is issued again interrupts it
/// as if it had never been left. 0: the thread was in none.</param>
internal readonly record struct Resumption(Registers Registers, int Call, long Deadline, int Restart);

/// <summary>What is known about the stop. Whether a signal is deliverable is known only where it matters.</summary>
/// <param name="Restarted">The call that restart_syscall(2) continues, if the thread was in that.</param>
/// <param name="Ends">Of a call that is put back with its whole timeout, which lies in memory: when it is to end, on CLOCK_MONOTONIC.</param>
internal readonly record struct StopContext(
    bool GroupStopped, bool SignalDeliverable, long? WaitingSince, long Now, RestartedCall? Restarted = null, long? Ends = null);

/// <summary>
/// Puts an interrupted system call back. By itself the kernel does that when the thread goes on (-ERESTART*), but only in this very
/// process; for an image it is done here. Calls that return -EINTR on a mere stop are put back in both cases. signal(7),
/// arch_do_signal_or_restart in the kernel, KERNEL.md 3.
/// </summary>
internal static class RestartRules
{
    private const int TIMER_ABSTIME = 1;
    private const int FUTEX_CMD_MASK = 0x7f;
    private const int FUTEX_WAIT = 0;
    private const ulong SyscallInstructionBytes = 2;
    private const long NsPerMs = 1_000_000;
    private const long NsPerMicrosecond = 1_000;
    private const long NsPerSecond = 1_000_000_000;
    private const int TimespecBytes = 16;

    /// <summary>For a thaw in place: the kernel restarts what it knows how to, with the deadline it holds.</summary>
    public static Registers ForThaw(Tracee tracee, Registers registers, StopContext context) =>
        !IsSpuriousEintr(registers, context) ? registers
        : context.Ends is { } end ? WithTimeLeft(tracee, Rewind(registers), end - context.Now)
        : Rewind(WithReducedTimeout(registers, context));

    /// <summary>For an image.</summary>
    public static Resumption ForImage(Tracee tracee, Registers registers, StopContext context)
    {
        if (!InCall(registers))
        {
            return new Resumption(registers, 0, 0, 0);
        }

        if (context.Restarted is { } restarted)
        {
            // Its restart_block stays with this thread.
            registers.OrigRax = (ulong)restarted.Number;
        }

        if (IsSpuriousEintr(registers, context))
        {
            if (context.Ends is { } end)
            {
                var call = (int)registers.OrigRax;
                return new Resumption(Rewind(registers), call, end, Errno.ERESTARTNOHAND);
            }

            return new Resumption(Rewind(WithReducedTimeout(registers, context)), 0, 0, Errno.ERESTARTNOHAND);
        }

        var restart = -(long)registers.Rax;
        switch (restart)
        {
            case Errno.ERESTARTSYS or Errno.ERESTARTNOINTR or Errno.ERESTARTNOHAND:
                return TimeWrittenBack(tracee, registers) is { } rest
                    ? new Resumption(Rewind(registers), (int)registers.OrigRax, context.Now + rest, (int)restart)
                    : new Resumption(Rewind(registers), 0, 0, (int)restart);
            case Errno.ERESTART_RESTARTBLOCK:
                var left = context.Restarted?.Deadline is { } deadline && deadline > context.Now ? deadline - context.Now : TimeLeft(tracee, registers, context);
                return left is { } ns
                    ? new Resumption(Rewind(registers), (int)registers.OrigRax, context.Now + ns, Errno.ERESTARTNOHAND)
                    : new Resumption(Rewind(registers), 0, 0, Errno.ERESTARTNOHAND);
            default:
                // The call is over: its result is a result.
                registers.OrigRax = ulong.MaxValue;
                return new Resumption(registers, 0, 0, 0);
        }
    }

    /// <summary>The registers of a thread that stands before its call, turned into those of one interrupted in it, so that the kernel decides
    /// whether it goes on or a handler comes first. restart: ERESTART*; ERESTART_RESTARTBLOCK only where it holds a restart_block.</summary>
    public static Registers Interrupted(Registers rewound, int restart)
    {
        rewound.OrigRax = rewound.Rax;
        rewound.Rax = unchecked((ulong)-restart);
        rewound.Rip += SyscallInstructionBytes;
        return rewound;
    }

    /// <summary>The registers of a thread that stands before its call, turned into those of one that has its result.</summary>
    public static Registers Finished(Registers rewound, long result)
    {
        rewound.OrigRax = ulong.MaxValue;
        rewound.Rax = (ulong)result;
        rewound.Rip += SyscallInstructionBytes;
        return rewound;
    }

    /// <summary>Those of a thread that waits in rt_sigsuspend instead.</summary>
    public static Registers Suspended(Registers registers, RemoteAddress syscallInstruction, RemoteAddress mask)
    {
        registers.Rip = syscallInstruction.Value;
        registers.Rax = CallNumber.rt_sigsuspend;
        registers.OrigRax = ulong.MaxValue;
        registers.Rdi = mask.Value;
        registers.Rsi = sizeof(ulong);
        return registers;
    }

    /// <summary>Those of a thread whose call a signal has ended.</summary>
    public static Registers Ended(Registers interrupted)
    {
        interrupted.Rax = unchecked((ulong)-Errno.EINTR);
        interrupted.OrigRax = ulong.MaxValue;
        return interrupted;
    }

    /// <summary>A call that was interrupted before anybody had taken it from the listener, where the kernel says -ERESTARTSYS. Executed
    /// natively it would have begun before it waited, and most calls never wait: the signals are as if they had come before it. Unless it is
    /// the rest of one that had waited already.</summary>
    public static Registers NotTaken(Registers registers, int? rest)
    {
        if (InCall(registers) && (long)registers.Rax == -Errno.ERESTARTSYS
            && SyscallTable.Find((long)registers.OrigRax) is { Side: not SyscallSide.Local } call)
        {
            // EINTR whatever a handler says, but not for a mere stop: that is what ERESTARTNOHAND gives.
            var restart = rest != call.Number ? Errno.ERESTARTNOINTR : call.Restart == Errno.EINTR ? Errno.ERESTARTNOHAND : call.Restart;
            registers.Rax = unchecked((ulong)-restart);
        }

        return registers;
    }

    /// <summary>It was stopped in a call, which is over or to be made again: rax tells.</summary>
    public static bool InCall(in Registers registers) => (long)registers.OrigRax >= 0;

    private static Registers Rewind(Registers registers)
    {
        registers.Rip -= SyscallInstructionBytes;
        registers.Rax = registers.OrigRax;
        registers.OrigRax = ulong.MaxValue;
        return registers;
    }

    /// <summary>-EINTR that nothing but our stop has caused. A stop signal does cause it, natively too.</summary>
    private static bool IsSpuriousEintr(in Registers registers, StopContext context) =>
        MayBeSpuriousEintr(registers) && !context.GroupStopped && !context.SignalDeliverable;

    /// <summary>Whether it is one depends on the signals that wait.</summary>
    public static bool MayBeSpuriousEintr(in Registers registers) =>
        InCall(registers) && (long)registers.Rax == -Errno.EINTR && ReturnsEintrOnStop((int)registers.OrigRax);

    // Sockets are in it for SO_RCVTIMEO and SO_SNDTIMEO, whatever call reads or writes them.
    private static bool ReturnsEintrOnStop(int call) => call is CallNumber.epoll_wait or CallNumber.epoll_pwait or CallNumber.epoll_pwait2
        or CallNumber.semop or CallNumber.semtimedop or CallNumber.rt_sigtimedwait or CallNumber.io_getevents or CallNumber.io_pgetevents
        or CallNumber.io_uring_enter or CallNumber.recvfrom or CallNumber.recvmsg or CallNumber.recvmmsg or CallNumber.accept
        or CallNumber.accept4 or CallNumber.connect or CallNumber.sendto or CallNumber.sendmsg or CallNumber.sendmmsg
        or CallNumber.read or CallNumber.write or CallNumber.readv or CallNumber.writev;

    /// <summary>Milliseconds in a register become what is left of them. A timeout behind a pointer starts anew: the memory is the
    /// program's, and so is every register but this one, which a call's wrapper does not look at again.</summary>
    private static Registers WithReducedTimeout(Registers registers, StopContext context)
    {
        if ((int)registers.OrigRax is CallNumber.epoll_wait or CallNumber.epoll_pwait
            && (int)registers.R10 > 0 && context.WaitingSince is { } since)
        {
            var left = ((int)registers.R10 * NsPerMs) - (context.Now - since);
            registers.R10 = (ulong)Milliseconds(left);
        }

        return registers;
    }

    /// <summary>When a call ends that returns -EINTR on a mere stop and has its timeout in memory.</summary>
    /// <returns>On CLOCK_MONOTONIC; null: never, or it is not known.</returns>
    public static long? Ends(Tracee tracee, in Registers registers, long? waitingSince)
    {
        var timeout = !MayBeSpuriousEintr(registers) ? 0UL : (int)registers.OrigRax switch
        {
            CallNumber.rt_sigtimedwait => registers.Rdx,
            CallNumber.epoll_pwait2 or CallNumber.semtimedop => registers.R10,
            _ => 0UL,
        };
        return timeout != 0 && waitingSince is { } since && Timespec(tracee, timeout) is { } asked ? since + asked : null;
    }

    /// <summary>A thread that stands before a call that no restart_block continues is to wait only for what is left (ns). The timeout is the
    /// program's, which may wait with it again; so it is given where the call has another place for it that its wrapper does not look at again:
    /// rt_sigtimedwait's siginfo, which means nothing until there is a signal, or epoll_wait's register. A call that has none begins anew.</summary>
    public static Registers WithTimeLeft(Tracee tracee, Registers registers, long left)
    {
        left = Math.Max(0, left);
        switch ((int)registers.Rax)
        {
            case CallNumber.rt_sigtimedwait when registers.Rsi != 0:
                registers.Rdx = WriteTime(tracee, registers.Rsi, left, 1) ? registers.Rsi : registers.Rdx;
                break;
            case CallNumber.epoll_pwait2 when left < int.MaxValue * NsPerMs:
                registers.Rax = CallNumber.epoll_pwait;
                registers.R10 = (ulong)Milliseconds(left);
                break;
            case CallNumber.select or CallNumber.pselect6 or CallNumber.ppoll:
                // These write what is left to where the program gave the time, by themselves: what they say so is of when they were stopped.
                var (time, unitNs) = TimeOfPoll(registers, registers.Rax);
                _ = WriteTime(tracee, time, left, unitNs);
                break;
        }

        return registers;
    }

    // Of select, pselect6 and ppoll, which have just written it there.
    private static long? TimeWrittenBack(Tracee tracee, in Registers registers)
    {
        var (time, unitNs) = TimeOfPoll(registers, registers.OrigRax);
        return time != 0 ? Timespec(tracee, time, unitNs) : null;
    }

    private static (ulong Address, long UnitNs) TimeOfPoll(in Registers registers, ulong call) => (int)call switch
    {
        CallNumber.select => (registers.R8, NsPerMicrosecond),
        CallNumber.pselect6 => (registers.R8, 1),
        CallNumber.ppoll => (registers.Rdx, 1),
        _ => (0, 1),
    };

    // Rounded up: a wait is never shorter than asked.
    private static bool WriteTime(Tracee tracee, ulong address, long ns, long unitNs)
    {
        ns += unitNs - 1;
        Span<byte> time = stackalloc byte[TimespecBytes];
        BinaryPrimitives.WriteInt64LittleEndian(time, ns / NsPerSecond);
        BinaryPrimitives.WriteInt64LittleEndian(time[8..], ns % NsPerSecond / unitNs);
        return RemoteMemory.Write(tracee.Tid, new RemoteAddress(address), time, out _) == 0;
    }

    /// <summary>Whole milliseconds, rounded up: a wait is never shorter than asked.</summary>
    public static int Milliseconds(long ns) => ns <= 0 ? 0 : (int)Math.Min(int.MaxValue, (ns + NsPerMs - 1) / NsPerMs);

    /// <returns>ns until the call would end by itself; null: it has no end, or one that is absolute.</returns>
    private static long? TimeLeft(Tracee tracee, in Registers registers, StopContext context)
    {
        switch ((int)registers.OrigRax)
        {
            case CallNumber.nanosleep:
                return Sleeping(tracee, registers.Rdi, registers.Rsi, context);
            // A clock of CPU time stands still while the thread does: it has no end that a clock on the wall could tell.
            case CallNumber.clock_nanosleep when ((int)registers.Rsi & TIMER_ABSTIME) == 0 && (int)registers.Rdi is >= 0 and not (2 or 3):
                return Sleeping(tracee, registers.Rdx, registers.R10, context);
            case CallNumber.futex when ((int)registers.Rsi & FUTEX_CMD_MASK) == FUTEX_WAIT && registers.R10 != 0:
                return Waiting(Timespec(tracee, registers.R10), context);
            case CallNumber.poll when (int)registers.Rdx > 0:
                return Waiting((int)registers.Rdx * NsPerMs, context);
            default:
                return null;
        }
    }

    // The kernel has written what is left to where the program wants it; without such a place it is what was asked, less the time since.
    private static long? Sleeping(Tracee tracee, ulong request, ulong remaining, StopContext context) =>
        remaining != 0 ? Timespec(tracee, remaining) : Waiting(Timespec(tracee, request), context);

    private static long? Waiting(long? asked, StopContext context) =>
        asked is { } ns && context.WaitingSince is { } since ? Math.Max(0, ns - (context.Now - since)) : asked;

    private static long? Timespec(Tracee tracee, ulong address, long unitNs = 1)
    {
        Span<byte> bytes = stackalloc byte[TimespecBytes];
        if (RemoteMemory.Read(tracee.Tid, new RemoteAddress(address), bytes, out _) != 0)
        {
            return null;
        }

        var seconds = BinaryPrimitives.ReadInt64LittleEndian(bytes);
        var fraction = BinaryPrimitives.ReadInt64LittleEndian(bytes[8..]);
        return seconds < 0 || fraction < 0 || fraction >= NsPerSecond / unitNs ? null
            : seconds > (long.MaxValue / NsPerSecond / 4) ? long.MaxValue / 4
            : (seconds * NsPerSecond) + (fraction * unitNs);
    }
}
