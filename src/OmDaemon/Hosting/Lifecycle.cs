// What systemd is told and when: READY once everything has started, WATCHDOG from the thread pool (a starved or hung pool goes
// silent), RELOADING around a SIGHUP, STOPPING first when it ends.
using System.Runtime.InteropServices;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace OpenMosix.Daemon.Hosting;

internal sealed partial class Lifecycle(
    DaemonOptions options, SystemdNotifier systemd, OptionsReload reload, TimeProvider time, ILogger<Lifecycle> log) : IHostedLifecycleService, IDisposable
{
    private ITimer? _watchdog;
    private PosixSignalRegistration? _hangup;

    public Task StartingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartedAsync(CancellationToken cancellationToken)
    {
        if (systemd.Watchdog is { } period)
            _watchdog = time.CreateTimer(_ => systemd.Alive(), null, TimeSpan.Zero, period / 2);
        _hangup = PosixSignalRegistration.Create(PosixSignal.SIGHUP, signal =>
        {
            signal.Cancel = true;
            Reload();
        });
        LogReady(options.Node, options.ControlSocket);
        systemd.Ready($"node {options.Node}");
        return Task.CompletedTask;
    }

    public Task StoppingAsync(CancellationToken cancellationToken)
    {
        systemd.Stopping();
        LogStopping();
        return Task.CompletedTask;
    }

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public void Dispose()
    {
        _watchdog?.Dispose();
        _hangup?.Dispose();
    }

    private void Reload()
    {
        systemd.Reloading();
        string outcome = reload.Reload();
        LogReloaded(outcome);
        systemd.Ready($"node {options.Node}");
    }

    [LoggerMessage(100, LogLevel.Information, "node {Node} ready, tools at {Socket}")]
    private partial void LogReady(string node, string socket);

    [LoggerMessage(101, LogLevel.Information, "stopping")]
    private partial void LogStopping();

    [LoggerMessage(102, LogLevel.Information, "configuration read again: {Outcome}")]
    private partial void LogReloaded(string outcome);
}
