// A tracer for the time of one execve: all its ptrace calls come from its own thread. A program that has begun stands before its first instruction
// until Dispose; a signal that stops the tracee before is passed on.
using OpenMosix.Warden.Interop;

namespace OpenMosix.Warden.Structure;

internal sealed class ExecWatch : IDisposable
{
    private readonly int tid;
    private readonly TaskCompletionSource happened = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource<bool> seized = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Thread thread;
    private readonly ManualResetEventSlim left = new();
    private volatile bool leaving;

    private ExecWatch(int tid)
    {
        this.tid = tid;
        thread = new Thread(Watch, 256 << 10) { IsBackground = true, Name = $"exec of {tid}" };
    }

    /// <summary>Completes when the new program is in place.</summary>
    internal Task Happened => happened.Task;

    /// <summary>Null when it cannot be traced (someone else does).</summary>
    /// <param name="tid">Of the thread that is to execute it.</param>
    internal static ExecWatch? Begin(int tid)
    {
        var watch = new ExecWatch(tid);
        watch.thread.Start();
        return watch.seized.Task.Result ? watch : null;
    }

    public void Dispose()
    {
        leaving = true;
        left.Set();
        // Makes the tracee stop, so that the thread can detach. Any thread of the tracer's process may send a signal, only its own may
        // use ptrace: the stop is made by a signal that is then dropped.
        if (!happened.Task.IsCompleted)
            Processes.SignalThread(tid, LeaveSignal);
        thread.Join();
        left.Dispose();
    }

    // Unused by programs and libraries (between glibc's two); dropped before the tracee sees it.
    private const int LeaveSignal = 33;

    private void Watch()
    {
        int error = Ptrace.Request(Ptrace.PTRACE_SEIZE, tid, Ptrace.PTRACE_O_TRACEEXEC);
        seized.SetResult(error == 0);
        if (error != 0)
            return;
        // A thread that executes a program takes the leader's number.
        while (Ptrace.Wait(out int pid) is { } status)
        {
            if ((status & 0xff) != 0x7f)
                break; // ended
            int signal = status >> 8 & 0xff;
            int happening = status >> 16;
            if (happening == Ptrace.PTRACE_EVENT_EXEC)
            {
                happened.TrySetResult();
                left.Wait();
                Ptrace.Request(Ptrace.PTRACE_DETACH, pid, 0);
                return;
            }
            if (happening == Ptrace.PTRACE_EVENT_STOP)
            {
                Ptrace.Request(signal is 19 or 20 or 21 or 22 ? Ptrace.PTRACE_LISTEN : Ptrace.PTRACE_CONT, pid, 0);
                continue;
            }
            if (leaving && signal == LeaveSignal)
            {
                Ptrace.Request(Ptrace.PTRACE_DETACH, pid, 0);
                return;
            }
            Ptrace.Request(Ptrace.PTRACE_CONT, pid, signal);
        }
        // It has ended: the caller learns it from the call.
    }
}
