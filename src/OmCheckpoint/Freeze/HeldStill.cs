using OpenMosix.Checkpoint.Interop;
using OpenMosix.Checkpoint.Proc;
using OpenMosix.Checkpoint.Tracing;

namespace OpenMosix.Checkpoint.Freeze;

/// <summary>
/// A process that may not go on: a thread that computes stops at once, one that waits in a call when that has ended. Nothing is done in it, and
/// its calls are left alone. It goes on when this is disposed, or with the end of this process.
/// </summary>
public sealed class HeldStill : IDisposable
{
    private readonly TracerThread _thread;

    private HeldStill(TracerThread thread) => _thread = thread;

    /// <returns>null: it cannot be held, because it ends.</returns>
    public static HeldStill? Hold(int pid)
    {
        var thread = new TracerThread(pid);
        if (thread.Invoke(() => Seize(pid)))
        {
            return new HeldStill(thread);
        }

        thread.Dispose();
        return null;
    }

    /// <summary>With the thread that traces it the trace ends, wherever its threads stand.</summary>
    public void Dispose() => _thread.Dispose();

    // Threads that those make which are seized already are attached by the kernel, and stand. One whose clone was under way just then is found
    // here or not at all; in a cell there is none, for there a clone is made by a thread that stands still (ConductedClone).
    private static bool Seize(int pid)
    {
        var seized = new HashSet<int>();
        for (List<int> fresh; (fresh = [.. TaskList.Of(pid).Where(seized.Add)]).Count > 0;)
        {
            foreach (var tid in fresh)
            {
                if (new Tracee(tid, new TrapState()).Seize(Ptrace.PTRACE_O_TRACESYSGOOD | Ptrace.PTRACE_O_TRACECLONE) == 0)
                {
                    // A thread that has ended meanwhile is held too.
                    _ = Ptrace.Call(Ptrace.PTRACE_INTERRUPT, tid);
                }
                else if (tid == pid)
                {
                    return false;
                }
            }
        }

        return seized.Count > 0;
    }
}
