// Wires the parts, says READY, and ends on SIGTERM.
using System.Globalization;
using System.Runtime.InteropServices;
using Microsoft.Extensions.Logging;
using OpenMosix.Warden.Cell;
using OpenMosix.Warden.Control;
using OpenMosix.Warden.Handover;
using OpenMosix.Warden.Held;
using OpenMosix.Warden.Signals;

namespace OpenMosix.Warden.Hosting;

internal static partial class WardenApplication
{
    internal static async Task<int> RunAsync(WardenOptions options)
    {
        using ILoggerFactory loggers = Log.Create(options);
        ILogger log = loggers.CreateLogger("omwarden");
        if (!Environment.IsPrivilegedProcess)
        {
            LogFailed(log, "needs root: it stops and builds processes of every user");
            return 1;
        }
        using var stop = new CancellationTokenSource();
        void Stop(PosixSignalContext signal)
        {
            signal.Cancel = true;
            stop.Cancel();
        }
        using var term = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);
        using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);

        ControlSocket? socket = null;
        using var manager = new ServiceManager(Environment.GetEnvironmentVariable("NOTIFY_SOCKET"));
        var store = new DescriptorStore(manager, DescriptorStore.Given(Environment.GetEnvironmentVariable));
        var cgroups = CgroupTree.Find();
        var context = new WardenContext(options, cgroups, store, loggers, message => socket?.Broadcast(message));
        var service = new WardenService(context, loggers.CreateLogger<WardenService>());
        HashSet<string> inUse = service.TakeOver();
        int swept = CgroupSweep.Run(cgroups, options.Instance, inUse);
        if (swept > 0)
            LogSwept(log, swept);
        using (socket = new ControlSocket(options.Socket, service, loggers.CreateLogger<ControlSocket>()))
        {
            try
            {
                socket.Bind();
            }
            catch (Exception refused) when (refused is System.Net.Sockets.SocketException or IOException or UnauthorizedAccessException)
            {
                LogFailed(log, $"{options.Socket}: {refused.Message}");
                return 1;
            }
            manager.Ready("serving");
            LogReady(log, options.Socket);
            await Task.WhenAll(socket.RunAsync(stop.Token), new StopWatcher(context.Held).RunAsync(stop.Token),
                KeepWatchdogAsync(manager, stop.Token)).ConfigureAwait(false);
        }
        manager.Stopping();
        await service.LeaveAsync().ConfigureAwait(false);
        // The engine is not closed: its threads end with the process, and what they serve waits for the next warden.
        return 0;
    }

    private static async Task KeepWatchdogAsync(ServiceManager manager, CancellationToken stop)
    {
        if (!long.TryParse(Environment.GetEnvironmentVariable("WATCHDOG_USEC"), CultureInfo.InvariantCulture, out long microseconds) || microseconds <= 0)
            return;
        try
        {
            while (true)
            {
                manager.Watchdog();
                await Task.Delay(TimeSpan.FromMicroseconds(microseconds / 2), stop).ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException)
        {
        }
    }

    [LoggerMessage(EventId = 1, Level = LogLevel.Information, Message = "serving {Socket}")]
    private static partial void LogReady(ILogger log, string socket);

    [LoggerMessage(EventId = 2, Level = LogLevel.Error, Message = "{Why}")]
    private static partial void LogFailed(ILogger log, string why);

    [LoggerMessage(EventId = 3, Level = LogLevel.Warning, Message = "{Count} cells of an earlier warden removed")]
    private static partial void LogSwept(ILogger log, int count);
}
