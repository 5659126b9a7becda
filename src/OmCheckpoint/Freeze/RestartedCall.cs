using OpenMosix.Checkpoint.Interop;
using OpenMosix.Checkpoint.Tracing;

namespace OpenMosix.Checkpoint.Freeze;

/// <summary>
/// A call that has been stopped before goes on as restart_syscall(2), with the arguments it had and another number; which it was, the kernel
/// keeps to itself. Four calls go on this way. The instruction before `syscall` tells, as every C library writes it.
/// </summary>
/// <param name="Deadline">When it ends, on CLOCK_MONOTONIC; null: not known.</param>
internal readonly record struct RestartedCall(int Number, long? Deadline)
{
    private const int LoadBytes = 5; // mov $number, %eax
    private const int SyscallBytes = 2;
    private const byte LoadEax = 0xb8;
    private const ulong ClocksMax = 16; // clock_nanosleep(clock, ...), nanosleep(pointer, ...)

    /// <param name="tracee">Stands.</param>
    /// <param name="registers">Its own.</param>
    /// <param name="deadline">By tid.</param>
    /// <returns>null: it is not in restart_syscall, or in one that cannot be told.</returns>
    public static RestartedCall? Of(Tracee tracee, in Registers registers, Func<int, long?>? deadline)
    {
        if ((long)registers.OrigRax != CallNumber.restart_syscall || (long)registers.Rax != -Errno.ERESTART_RESTARTBLOCK)
        {
            return null;
        }

        return Loaded(tracee, registers) is { } number ? new RestartedCall(number, deadline?.Invoke(tracee.Tid)) : null;
    }

    private static int? Loaded(Tracee tracee, in Registers registers)
    {
        Span<byte> code = stackalloc byte[LoadBytes + SyscallBytes];
        if (RemoteMemory.Read(tracee.Tid, new RemoteAddress(registers.Rip - (ulong)code.Length), code, out _) == 0 && code[0] == LoadEax
            && BitConverter.ToInt32(code[1..]) is CallNumber.nanosleep or CallNumber.clock_nanosleep or CallNumber.futex or CallNumber.poll)
        {
            return BitConverter.ToInt32(code[1..]);
        }

        // syscall(3) and the like load it from elsewhere. What the arguments can be:
        return registers.Rdi < ClocksMax && registers.Rdx >= ClocksMax ? CallNumber.clock_nanosleep : null;
    }
}
