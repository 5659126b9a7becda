// Knows when processes end: one thread of its own sleeps in epoll on their pidfds and costs nothing while nothing happens.
// The callback comes on that thread, once per process, and must not block.
using System.Collections.Concurrent;
using OpenMosix.Daemon.Interop;

namespace OpenMosix.Daemon.Jobs;

public sealed class ProcessWatch : IDisposable
{
    private const ulong StopId = 0;

    private readonly Epoll _epoll = Epoll.Create();
    private readonly EventFd _stop = EventFd.Create();
    private readonly ConcurrentDictionary<ulong, Action> _ended = new();
    private readonly Thread _thread;
    private ulong _lastId = StopId;

    public ProcessWatch()
    {
        _epoll.Add(_stop, Epoll.EPOLLIN, StopId);
        _thread = new Thread(Run) { IsBackground = true, Name = "process-watch" };
        _thread.Start();
    }

    /// <summary>The pidfd stays the caller's, who closes it only after the callback or to stop watching.</summary>
    public void Watch(Pidfd process, Action onEnded)
    {
        var id = Interlocked.Increment(ref _lastId);
        _ended[id] = onEnded;
        // One shot: an ended process stays readable until its pidfd is closed, and would wake us again and again.
        _epoll.Add(process, Epoll.EPOLLIN | Epoll.EPOLLONESHOT, id);
    }

    public void Dispose()
    {
        _stop.Ring();
        _thread.Join();
        _epoll.Dispose();
        _stop.Dispose();
    }

    private void Run()
    {
        Span<Epoll.epoll_event> events = stackalloc Epoll.epoll_event[64];
        while (true)
        {
            var count = _epoll.Wait(events);
            for (var i = 0; i < count; i++)
            {
                if (events[i].data == StopId)
                {
                    return;
                }
                if (_ended.TryRemove(events[i].data, out var callback))
                {
                    callback();
                }
            }
        }
    }
}
