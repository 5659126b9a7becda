using System.Buffers.Binary;
using System.Runtime.InteropServices;
using OpenMosix.Checkpoint.Freeze;
using OpenMosix.Checkpoint.Interop;
using OpenMosix.Checkpoint.Tracing;
using OpenMosix.Protocol.V1;

namespace OpenMosix.Checkpoint.Restore;

/// <summary>
/// A call with a relative timeout that was interrupted by the move ends when it would have ended. Its arguments are the program's: neither the
/// registers nor the memory they point at may be changed for it. So the call is begun here with what is left, and interrupted at
/// once: the kernel then holds the deadline in the thread's restart_block, and continues it by restart_syscall when the
/// thread goes on, EINTR and rmtp included.
/// </summary>
internal static class SleepAgain
{
    private const int CLOCK_MONOTONIC = 1;
    private const long NsPerSecond = 1_000_000_000;

    /// <summary>The registers the thread goes on with. native: system calls are executed by this kernel, none by home.</summary>
    public static Registers Prepare(Agent agent, Tracee tracee, ThreadImage thread, bool native)
    {
        var registers = MemoryMarshal.Read<Registers>(thread.Registers.Span);
        if (thread.Restart == 0)
        {
            return registers;
        }

        if (thread.ResumedCall == 0 || thread.ResumedDeadlineNs == long.MaxValue || registers.Rax != thread.ResumedCall)
        {
            return RestartRules.Interrupted(registers, (int)thread.Restart);
        }

        var isSleep = thread.ResumedCall is CallNumber.nanosleep or CallNumber.clock_nanosleep or CallNumber.futex;
        var isLocal = isSleep || thread.ResumedCall == CallNumber.rt_sigtimedwait;
        if (!isLocal && !native)
        {
            return RestartRules.Interrupted(registers, (int)thread.Restart); // home executes it, and the link knows what is left
        }

        var left = Math.Max(0, thread.ResumedDeadlineNs - Now(agent, tracee));
        if (thread.ResumedCall is CallNumber.epoll_wait or CallNumber.epoll_pwait)
        {
            // It has no restart_block. The milliseconds in the register are all that changes, and a call's wrapper does not look at them again.
            registers.R10 = (ulong)RestartRules.Milliseconds(left);
            return RestartRules.Interrupted(registers, (int)thread.Restart);
        }

        if (!isSleep && thread.ResumedCall != CallNumber.poll)
        {
            return RestartRules.Interrupted(RestartRules.WithTimeLeft(tracee, registers, left), (int)thread.Restart);
        }

        var result = Begin(agent, tracee, registers, left);
        return result == -Errno.ERESTART_RESTARTBLOCK ? RestartRules.Interrupted(registers, Errno.ERESTART_RESTARTBLOCK) : RestartRules.Finished(registers, result);
    }

    private static long Begin(Agent agent, Tracee tracee, in Registers call, long left)
    {
        var time = agent.Area.BatchData;
        Span<byte> timespec = stackalloc byte[16];
        BinaryPrimitives.WriteInt64LittleEndian(timespec, left / NsPerSecond);
        BinaryPrimitives.WriteInt64LittleEndian(timespec[8..], left % NsPerSecond);
        tracee.Write(time, timespec);
        using var injection = new Injection(tracee);
        var at = agent.SyscallInstruction;
        return (long)call.Rax switch
        {
            CallNumber.nanosleep => injection.CallInterrupted(at, CallNumber.nanosleep, time.Value, call.Rsi),
            CallNumber.clock_nanosleep => injection.CallInterrupted(at, CallNumber.clock_nanosleep, call.Rdi, call.Rsi, time.Value, call.R10),
            CallNumber.futex => injection.CallInterrupted(at, CallNumber.futex, call.Rdi, call.Rsi, call.Rdx, time.Value, call.R8, call.R9),
            _ => injection.CallInterrupted(at, CallNumber.poll, call.Rdi, call.Rsi, (ulong)RestartRules.Milliseconds(left)),
        };
    }

    /// <summary>The process's own clock: in a cell it is home's.</summary>
    private static long Now(Agent agent, Tracee tracee)
    {
        var batch = agent.NewBatch();
        var time = batch.Reserve(16);
        batch.Add(CallNumber.clock_gettime, CLOCK_MONOTONIC, time);
        var bytes = agent.Run(batch, tracee).Bytes(time, 16);
        return (BinaryPrimitives.ReadInt64LittleEndian(bytes) * NsPerSecond) + BinaryPrimitives.ReadInt64LittleEndian(bytes[8..]);
    }
}
