// First and last thing that happens: the socket's mode, what systemd is told.
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace OpenMosix.Daemon.Hosting;

internal sealed partial class Lifecycle(DaemonOptions options, ILogger<Lifecycle> log) : IHostedLifecycleService
{
    public Task StartingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartedAsync(CancellationToken cancellationToken)
    {
        // Anyone may connect; SO_PEERCRED decides what they may do.
        File.SetUnixFileMode(options.ControlSocket, (UnixFileMode)0b110_110_110);
        LogReady(options.Node, options.ControlSocket);
        return Task.CompletedTask;
    }

    public Task StoppingAsync(CancellationToken cancellationToken)
    {
        LogStopping();
        return Task.CompletedTask;
    }

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    [LoggerMessage(100, LogLevel.Information, "node {Node} ready, tools at {Socket}")]
    private partial void LogReady(string node, string socket);

    [LoggerMessage(101, LogLevel.Information, "stopping")]
    private partial void LogStopping();
}
