using System.Collections.Concurrent;
using System.Runtime.ExceptionServices;
using OpenMosix.Checkpoint.Interop;
using OpenMosix.Protocol.Errors;

namespace OpenMosix.Checkpoint.Tracing;

/// <summary>
/// One OS thread for all ptrace calls of one tracee: the kernel knows the tracer by thread. Work is queued and done in order. When the
/// thread ends, the kernel detaches whatever it still traces, also a tracee that never stopped: that is how a seizure is given up.
/// </summary>
public sealed class TracerThread : IDisposable
{
    private const int Foremost = -20;

    private readonly BlockingCollection<Action> _work = [];
    private readonly Thread _thread;
    private volatile int _threadId;

    public TracerThread(int pid)
    {
        _thread = new Thread(Serve, 256 * 1024) { IsBackground = true, Name = $"tracer {pid}" };
        try
        {
            _thread.Start();
        }
        catch (OutOfMemoryException)
        {
            // So the runtime says that pthread_create(3) has failed.
            throw new TraceeException($"making a thread that traces {pid}", Errno.EAGAIN);
        }
    }

    /// <summary>Starts a thread and keeps it if work, done on it, succeeds. Work calls what is its caller's, which may throw.</summary>
    internal static Outcome<T> Begin<T>(int pid, string stage, Func<Outcome<T>> work, out TracerThread? thread)
    {
        TracerThread? started = null;
        thread = null;
        try
        {
            var outcome = Guard.Run(stage, () =>
            {
                started = new TracerThread(pid);
                return started.Invoke(work);
            });
            thread = outcome.Ok ? started : null;
            return outcome;
        }
        finally
        {
            if (thread is null)
            {
                started?.Dispose();
            }
        }
    }

    /// <summary>Does work on the thread and waits for it; what it throws is thrown here.</summary>
    public T Invoke<T>(Func<T> work)
    {
        if (Thread.CurrentThread == _thread)
        {
            return work();
        }

        using var done = new ManualResetEventSlim();
        T? result = default;
        ExceptionDispatchInfo? thrown = null;
        _work.Add(() =>
        {
            try
            {
                result = work();
            }
            catch (Exception exception)
            {
                // Whatever it is belongs to the caller, not to this thread.
                thrown = ExceptionDispatchInfo.Capture(exception);
            }

            done.Set();
        });
        done.Wait();
        thrown?.Throw();
        return result!;
    }

    /// <summary>Ends the thread after the work that is queued, and waits for its end: the next tracer may come at once.</summary>
    public void Dispose()
    {
        if (_work.IsAddingCompleted)
        {
            return;
        }

        _work.CompleteAdding();
        if (Thread.CurrentThread != _thread)
        {
            _thread.Join();
            _work.Dispose();
            // Joined, it has still to go through the kernel, and lets go of its tracee there. No event tells of that before Linux 6.9
            // (PIDFD_THREAD); it is a matter of microseconds.
            while (Kernel.ThreadExists(_threadId))
            {
                Thread.Yield();
            }
        }
    }

    private void Serve()
    {
        _threadId = Kernel.ThreadId();
        // Between the first thread of a process that stops and the last that goes on, it competes with those that compute: with 75 of them on
        // two CPUs a release took a second.
        Kernel.SetNice(Foremost);
        foreach (var work in _work.GetConsumingEnumerable())
        {
            work();
        }
    }
}
