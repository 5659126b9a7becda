using System.Collections.Concurrent;
using OpenMosix.Checkpoint.Interop;

namespace OpenMosix.Checkpoint.Freeze;

/// <summary>
/// Lies in wait while the threads of a process are seized one after the other. One of them may execute a program meanwhile: it holds the lock that
/// PTRACE_SEIZE waits for (cred_guard_mutex) until all others are dead and reaped, and those that are seized already only their tracer
/// reaps, which is waiting for the lock (ptrace(2), "execve under ptrace"). Another thread of ours may reap them too, and looks now and then: what
/// would wake it is a wait of its own, to be begun and broken off at every freeze, or, since Linux 6.9, a pidfd of every thread that is seized.
/// A process of a thousand threads is seized long before it looks for the first time.
/// </summary>
internal sealed class SeizeDeadlock : IDisposable
{
    private static readonly TimeSpan Again = TimeSpan.FromMilliseconds(10);

    private readonly ConcurrentDictionary<int, bool> _seized;
    private readonly List<int> _reaped = [];
    private readonly Timer _timer;

    /// <param name="seized">Those that are already.</param>
    public SeizeDeadlock(IEnumerable<int> seized)
    {
        _seized = new ConcurrentDictionary<int, bool>(seized.Select(tid => KeyValuePair.Create(tid, true)));
        _timer = new Timer(_ => Reap(), null, Again, Timeout.InfiniteTimeSpan);
    }

    public void Add(int tid) => _seized[tid] = true;

    /// <returns>Those whose end has been taken.</returns>
    public IReadOnlyList<int> End()
    {
        Dispose();
        return _reaped;
    }

    public void Dispose()
    {
        using var ended = new ManualResetEvent(false);
        if (_timer.Dispose(ended))
        {
            ended.WaitOne();
        }
    }

    private void Reap()
    {
        foreach (var tid in _seized.Keys.Where(Wait.TakeEnd))
        {
            _seized.TryRemove(tid, out _);
            _reaped.Add(tid);
        }

        try
        {
            _timer.Change(Again, Timeout.InfiniteTimeSpan); // never two at once
        }
        catch (ObjectDisposedException)
        {
            // It is over.
        }
    }
}
