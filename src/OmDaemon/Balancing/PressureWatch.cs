// Says when memory may be getting short, by the kernel's own notifications: PSI triggers (the system's, and of every limiting cgroup v2), and for
// cgroup v1 usage thresholds and reclaim notifications through an eventfd. One thread of its own sleeps in epoll. It only wakes whoever listens: how
// short memory really is must be measured.
using System.Globalization;
using System.Runtime.InteropServices;
using System.Threading.Channels;
using Microsoft.Extensions.Logging;
using Microsoft.Win32.SafeHandles;
using OpenMosix.Daemon.Cluster;
using OpenMosix.Daemon.Interop;

namespace OpenMosix.Daemon.Balancing;

internal sealed partial class PressureWatch : IDisposable
{
    private const ulong StopId = 0;
    private const ulong EventFdId = 1;
    private const ulong FirstTriggerId = 2;

    // Some task waits for memory for 5 % of the time. Other windows than 2 s need CAP_SYS_RESOURCE.
    private const string Trigger = "some 100000 2000000\0";

    private static readonly int[] ThresholdPercents = [50, 60, 70, 75, 80, 85, 90, 95];

    private readonly Epoll _epoll = Epoll.Create();
    private readonly EventFd _stop = EventFd.Create();
    private readonly EventFd _event = EventFd.Create();
    private readonly List<SafeHandle> _held = [];
    private readonly Channel<bool> _signals = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });
    private readonly ILogger<PressureWatch> _log;
    private readonly Thread _thread;

    public PressureWatch(ILogger<PressureWatch> log)
    {
        _log = log;
        _epoll.Add(_stop, Epoll.EPOLLIN, StopId);
        _epoll.Add(_event, Epoll.EPOLLIN, EventFdId);
        AddTrigger("/proc/pressure/memory");
        foreach ((string directory, bool v2) in CgroupMemory.Of("/proc").Directories)
        {
            if (v2)
                AddTrigger(Path.Combine(directory, "memory.pressure"));
            else
                AddV1(directory);
        }
        _thread = new Thread(Run) { IsBackground = true, Name = "pressure-watch" };
        _thread.Start();
    }

    /// <summary>How many of the kernel's notifications there are; 0: a timer is all there is.</summary>
    public int Sources { get; private set; }

    /// <summary>Something to read: look at the memory now. Many notifications become one.</summary>
    public ChannelReader<bool> Signals => _signals.Reader;

    public void Dispose()
    {
        _stop.Ring();
        _thread.Join();
        _epoll.Dispose();
        foreach (SafeHandle held in _held)
            held.Dispose();
        _event.Dispose();
        _stop.Dispose();
    }

    private void AddTrigger(string path)
    {
        try
        {
            SafeFileHandle file = File.OpenHandle(path, FileMode.Open, FileAccess.ReadWrite);
            _held.Add(file);
            RandomAccess.Write(file, System.Text.Encoding.ASCII.GetBytes(Trigger), 0);
            _epoll.Add(file, Epoll.EPOLLPRI, FirstTriggerId + (ulong)_held.IndexOf(file));
            Sources++;
            LogSource(path);
        }
        catch (Exception absent) when (absent is IOException or UnauthorizedAccessException or NotSupportedException or InvalidOperationException)
        {
            LogNoSource(path, absent.Message);
        }
    }

    // cgroup-v1/memory.rst: "<eventfd> <file> <argument>" into cgroup.event_control.
    private void AddV1(string directory)
    {
        try
        {
            ulong limit = ulong.Parse(File.ReadAllText(Path.Combine(directory, "memory.limit_in_bytes")).Trim(), CultureInfo.InvariantCulture);
            if (limit >= 1UL << 62)
                return;
            SafeFileHandle usage = File.OpenHandle(Path.Combine(directory, "memory.usage_in_bytes"));
            _held.Add(usage);
            foreach (int percent in ThresholdPercents)
                RegisterV1(directory, usage, (limit / 100 * (ulong)percent).ToString(CultureInfo.InvariantCulture));
            SafeFileHandle pressure = File.OpenHandle(Path.Combine(directory, "memory.pressure_level"));
            _held.Add(pressure);
            RegisterV1(directory, pressure, "low");
            Sources++;
            LogSource(directory);
        }
        catch (Exception absent) when (absent is IOException or UnauthorizedAccessException or FormatException)
        {
            LogNoSource(directory, absent.Message);
        }
    }

    private void RegisterV1(string directory, SafeFileHandle file, string argument) =>
        File.WriteAllText(Path.Combine(directory, "cgroup.event_control"), $"{_event.Number} {file.DangerousGetHandle()} {argument}");

    private void Run()
    {
        Span<Epoll.epoll_event> events = stackalloc Epoll.epoll_event[16];
        while (true)
        {
            int count = _epoll.Wait(events);
            for (int i = 0; i < count; i++)
            {
                switch (events[i].data)
                {
                    case StopId:
                        return;
                    case EventFdId:
                        _event.Clear();
                        break;
                    case ulong id when (events[i].events & Epoll.EPOLLERR) != 0:
                        // Its cgroup is gone, and it would say so for ever.
                        _held[(int)(id - FirstTriggerId)].Dispose();
                        break;
                }
            }
            _signals.Writer.TryWrite(true);
        }
    }

    [LoggerMessage(600, LogLevel.Debug, "memory pressure is told by {Source}")]
    private partial void LogSource(string source);

    [LoggerMessage(601, LogLevel.Debug, "memory pressure is not told by {Source}: {Why}")]
    private partial void LogNoSource(string source, string why);
}
