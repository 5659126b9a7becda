using OpenMosix.Checkpoint.Interop;
using OpenMosix.Checkpoint.Tracing;

namespace OpenMosix.Checkpoint.Restore;

/// <summary>
/// A deputy that was stopped inside its signal handler has a signal that is neither pending nor in the ring yet: the handler runs to its end first.
/// Its loop has an open mask, its handler (and the few instructions before the loop) has every signal blocked: that tells them apart.
/// </summary>
internal static class DeputyHandler
{
    // The handler waits only for room in a full ring, which the warden makes.
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    public static void Leave(Tracee tracee)
    {
        if (tracee.SignalMask == 0)
        {
            return;
        }

        using var wakeUp = new WakeUp(Patience, CancellationToken.None);
        while (tracee.SignalMask != 0)
        {
            tracee.Resume(Ptrace.PTRACE_SYSCALL);
            var status = tracee.WaitStop(wakeUp)
                ?? throw new TraceeException("the deputy does not leave its signal handler", Errno.ETIMEDOUT);
            if (status.IsSignalDelivery && status.StopSignal != Signals.SIGSTOP)
            {
                // The mask is open again and the next one is at the door: it is kept, and queued when the process goes on.
                tracee.Hold();
            }
        }
    }
}
