// A daemon at rest is small. Starting, joining and moving touch much code that is then not needed for hours, and leave a heap that nobody
// would collect for a minute; a PC that lends its memory should not pay for that. So, when little has been done for a while: collect and
// give back the heap, and unmap the pages of program files. They stay in the page cache; what is used is mapped again by a minor fault.
using System.Globalization;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using OpenMosix.Daemon.Interop;

namespace OpenMosix.Daemon.Hosting;

internal sealed partial class Rest(TimeProvider time, ILogger<Rest> log) : BackgroundService
{
    private const long SmallBytes = 72L << 20;
    private const double BusyShare = 0.05; // of one CPU
    private static readonly TimeSpan s_look = TimeSpan.FromSeconds(5);
    // Giving back costs 50 ms of CPU, and what is used at rest comes back: so ever less often until there is work again.
    private static readonly TimeSpan s_longestPause = TimeSpan.FromMinutes(2);

    private HashSet<ProgramPages.Area> _seen = [];

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(s_look, time);
        TimeSpan used = Environment.CpuUsage.TotalTime;
        TimeSpan pause = s_look;
        TimeSpan waited = pause;
        try
        {
            while (await timer.WaitForNextTickAsync(stoppingToken).ConfigureAwait(false))
            {
                TimeSpan before = used;
                used = Environment.CpuUsage.TotalTime;
                if (used - before >= s_look * BusyShare)
                {
                    waited = pause = s_look;
                    continue;
                }
                waited += s_look;
                if (waited > pause && ResidentBytes() is var resident && resident > SmallBytes)
                {
                    Shrink();
                    used = Environment.CpuUsage.TotalTime; // shrinking is no work
                    waited = TimeSpan.Zero;
                    pause = TimeSpan.FromTicks(Math.Min(pause.Ticks * 2, s_longestPause.Ticks));
                    LogShrunk(resident >> 20, ResidentBytes() >> 20);
                }
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
        }
    }

    private void Shrink()
    {
        GC.Collect(2, GCCollectionMode.Aggressive, blocking: true, compacting: true);
        HashSet<ProgramPages.Area> now = ProgramPages.Clean();
        foreach (ProgramPages.Area area in now)
        {
            // An image that is being loaded is written and protected again (relocations): one that was there at the last look is not new.
            if (_seen.Contains(area))
                ProgramPages.Unmap(area);
        }
        _seen = now;
    }

    // /proc/self/statm: size resident shared ... in pages.
    private static long ResidentBytes() =>
        long.Parse(File.ReadAllText("/proc/self/statm").Split(' ')[1], CultureInfo.InvariantCulture) * Environment.SystemPageSize;

    [LoggerMessage(110, LogLevel.Debug, "at rest: {Before} MiB resident, {After} MiB after giving back")]
    private partial void LogShrunk(long before, long after);
}
