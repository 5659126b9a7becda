// Knows when processes end: one thread of its own sleeps in epoll on their pidfds and costs nothing while nothing happens.
// The callback comes on that thread, once per process, and must not block.
using System.Collections.Concurrent;
using OpenMosix.Daemon.Interop;

namespace OpenMosix.Daemon.Jobs;

public sealed class ProcessWatch : IDisposable
{
    private const ulong StopId = 0;

    private readonly Epoll epoll = Epoll.Create();
    private readonly EventFd stop = EventFd.Create();
    private readonly ConcurrentDictionary<ulong, Action> ended = new();
    private readonly Thread thread;
    private ulong lastId = StopId;

    public ProcessWatch()
    {
        epoll.Add(stop, Epoll.EPOLLIN, StopId);
        thread = new Thread(Run) { IsBackground = true, Name = "process-watch" };
        thread.Start();
    }

    /// <summary>The pidfd stays the caller's, who closes it only after the callback or to stop watching.</summary>
    public void Watch(Pidfd process, Action onEnded)
    {
        var id = Interlocked.Increment(ref lastId);
        ended[id] = onEnded;
        // One shot: an ended process stays readable until its pidfd is closed, and would wake us again and again.
        epoll.Add(process, Epoll.EPOLLIN | Epoll.EPOLLONESHOT, id);
    }

    public void Dispose()
    {
        stop.Ring();
        thread.Join();
        epoll.Dispose();
        stop.Dispose();
    }

    private void Run()
    {
        Span<Epoll.epoll_event> events = stackalloc Epoll.epoll_event[64];
        while (true)
        {
            var count = epoll.Wait(events);
            for (var i = 0; i < count; i++)
            {
                if (events[i].data == StopId)
                {
                    return;
                }
                if (ended.TryRemove(events[i].data, out var callback))
                {
                    callback();
                }
            }
        }
    }
}
