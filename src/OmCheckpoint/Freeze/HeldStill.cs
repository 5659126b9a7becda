using OpenMosix.Checkpoint.Tracing;

namespace OpenMosix.Checkpoint.Freeze;

/// <summary>
/// A process that may not go on: computing it stops at once, waiting in a call when that has ended. Nothing is done in it, and its call is left
/// alone. It goes on when this is disposed, or with the end of this process.
/// </summary>
public sealed class HeldStill : IDisposable
{
    private readonly TracerThread _thread;

    private HeldStill(TracerThread thread) => _thread = thread;

    /// <returns>null: it cannot be held, because it ends.</returns>
    public static HeldStill? Hold(int pid)
    {
        var thread = new TracerThread(pid);
        var held = thread.Invoke(() =>
        {
            var tracee = new Tracee(pid, new TrapState());
            if (tracee.Seize(Interop.Ptrace.PTRACE_O_TRACESYSGOOD) != 0)
            {
                return false;
            }

            tracee.Interrupt();
            return true;
        });
        if (held)
        {
            return new HeldStill(thread);
        }

        thread.Dispose();
        return null;
    }

    /// <summary>With the thread that traces it the trace ends, wherever the process stands.</summary>
    public void Dispose() => _thread.Dispose();
}
