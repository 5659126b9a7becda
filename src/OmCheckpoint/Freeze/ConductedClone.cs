using OpenMosix.Checkpoint.Interop;
using OpenMosix.Checkpoint.Tracing;
using OpenMosix.Protocol.Errors;
using OpenMosix.Protocol.V1;

namespace OpenMosix.Checkpoint.Freeze;

/// <summary>A clone(2) of a thread that its listener has handed out: executed here and now by the thread itself, as the program asked for it,
/// with the number that the new thread has at home.</summary>
internal static class ConductedClone
{
    private const ulong CLONE_THREAD = 0x10000;
    private const ulong CLONE_UNTRACED = 0x800000;
    private const ulong SyscallInstructionBytes = 2;

    /// <returns>The new thread's tid here. On failure the thread goes on with the error as its call's result; unless the clone was
    /// not begun (a group stop is under way): then it makes its call again.</returns>
    public static Outcome<int> Execute(FrozenThreads frozen, Action<int> nextTid, int homeTid)
    {
        var parent = frozen.First.Tracee;
        var asked = parent.Registers;
        if ((long)asked.OrigRax != CallNumber.clone || (long)asked.Rax != -Errno.ERESTARTNOINTR || (asked.Rdi & CLONE_THREAD) == 0)
        {
            throw new InvalidOperationException($"thread {parent.Tid} does not stand in the clone of a thread");
        }

        nextTid(homeTid);
        var mask = parent.SignalMask;
        var call = asked;
        call.Rip -= SyscallInstructionBytes;
        call.Rax = CallNumber.clone;
        call.OrigRax = ulong.MaxValue;
        call.Rdi &= ~CLONE_UNTRACED;
        parent.SignalMask = ulong.MaxValue;
        var (result, child) = ThreadBirth.Make(parent, call, frozen.WhileHeld);
        parent.SignalMask = mask;
        if (child is null)
        {
            return Failed(parent, asked, (int)-result);
        }

        var tid = ThreadBirth.InnermostTid(child);
        if (tid != homeTid)
        {
            ThreadBirth.Unmake(child, frozen.Agent().SyscallInstruction);
            Failed(parent, asked, Errno.EAGAIN);
            return Failures.Broken(Stage.Forward, $"the new thread is {tid} here and {homeTid} at home", Errno.EAGAIN);
        }

        child.SignalMask = mask;
        SetResult(child, child.Registers with { Rdi = asked.Rdi }, 0);
        SetResult(parent, parent.Registers with { Rdi = asked.Rdi }, result);
        frozen.Add(new FrozenThread(child, new StopContext(GroupStopped: false, SignalDeliverable: false, WaitingSince: null, ClockReader.Monotonic)));
        return child.Tid;
    }

    private static Failure Failed(Tracee parent, in Registers asked, int errno)
    {
        if (errno == Errno.ERESTARTNOINTR)
        {
            parent.Registers = asked;
            return Failures.Broken(Stage.Forward, "a stop came before the clone", Errno.EINTR);
        }

        SetResult(parent, asked, -errno);
        return Failures.Broken(Stage.Forward, "clone", errno);
    }

    private static void SetResult(Tracee tracee, Registers registers, long result)
    {
        registers.Rax = (ulong)result;
        registers.OrigRax = ulong.MaxValue;
        tracee.Registers = registers;
    }
}
