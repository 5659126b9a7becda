using OpenMosix.Checkpoint.Interop;
using OpenMosix.Checkpoint.Tracing;

namespace OpenMosix.Checkpoint.Restore;

/// <summary>
/// A thread of a deputy that was stopped inside its signal handler has a signal that is neither pending nor in the ring yet: the handler runs to
/// its end first. Its loop has an open mask, its handler (and the few instructions before the loop) has every signal blocked: that tells
/// them apart. Nothing it does there waits, but for room in a full ring, which nobody need make: there it is left with its signal in hand.
/// </summary>
internal static class DeputyHandler
{
    /// <param name="slot">The address of the thread's.</param>
    /// <returns>The siginfo it has in hand; null: none.</returns>
    public static byte[]? Leave(Tracee tracee, RemoteAddress slot)
    {
        while (tracee.SignalMask != 0)
        {
            if (WaitsForRoom(tracee, slot) is { } inHand)
            {
                return inHand;
            }

            tracee.Resume(Ptrace.PTRACE_SYSCALL);
            var status = tracee.WaitStop();
            if (status.IsSystemCall && WaitsForRoom(tracee, slot) is not null)
            {
                // To where it may be let go or be given other registers: the wait is broken off, and would begin again.
                tracee.Interrupt();
                tracee.ResumeUntil(Ptrace.PTRACE_CONT, stop => stop.IsEventStop);
            }
            else if (status.IsSignalDelivery && status.StopSignal != Signals.SIGSTOP && !SignalQueue.IsCancel(tracee.PendingSiginfo()))
            {
                // The mask is open again and the next one is at the door: it is kept, and queued when the process goes on.
                tracee.Hold();
            }
        }

        return null;
    }

    /// <summary>keep() of deputy.c: the fifth argument is where the siginfo lies.</summary>
    private static byte[]? WaitsForRoom(Tracee tracee, RemoteAddress slot)
    {
        var registers = tracee.Registers;
        if ((long)registers.OrigRax != CallNumber.futex || registers.Rdi != (slot + AgentAbi.SlotSignalTail).Value)
        {
            return null;
        }

        var info = new byte[Ptrace.SiginfoBytes];
        tracee.Read(new RemoteAddress(registers.R8), info);
        return info;
    }
}
