// Named places of a move at which a test can make this node fail: stage:action[,stage:action...] in the daemon's environment
// (OPENMOSIX_FAULT) or in the file RUN/fault, which is read at each place and so needs no restart. Obeyed only with allow-faults = yes.
// Stages: freeze snapshot ship restore commit forward return. Actions: fail (the step is refused), hang (until its deadline,
// or until somebody kills the node), pause (until the file says something else, which is then done), crash (SIGKILL to ourselves).
using System.Diagnostics;
using Microsoft.Extensions.Logging;
using OpenMosix.Daemon.Control;
using OpenMosix.Daemon.Hosting;
using OpenMosix.Protocol.Errors;
using OpenMosix.Protocol.V1;

namespace OpenMosix.Daemon.Migration;

internal sealed partial class FaultPoints
{
    public const string Variable = "OPENMOSIX_FAULT";

    private static readonly TimeSpan PausePeriod = TimeSpan.FromMilliseconds(20);
    private static readonly string[] Stages = [Stage.Freeze, Stage.Snapshot, Stage.Ship, Stage.Restore, Stage.Commit, Stage.Forward, Stage.Return];

    private readonly string? _environment = Environment.GetEnvironmentVariable(Variable);
    private readonly DaemonOptions _options;
    private readonly IEventFeed _feed;
    private readonly ILogger<FaultPoints> _log;

    public FaultPoints(DaemonOptions options, IEventFeed feed, ILogger<FaultPoints> log)
    {
        (_options, _feed, _log) = (options, feed, log);
        if (_environment is { Length: > 0 } && !options.AllowFaults)
            LogNotAllowed(Variable);
    }

    /// <returns>A failure when the step must fail here.</returns>
    public async Task<Failure?> AtAsync(string stage, CancellationToken cancellationToken)
    {
        if (!_options.AllowFaults || Action(stage) is not { } action)
            return null;
        LogFault(stage, action);
        _feed.Publish(new WatchEvent { Kind = "fault", Text = $"{stage}: {action}" });
        if (action == "crash")
            Process.GetCurrentProcess().Kill();
        if (action == "pause")
        {
            while (!cancellationToken.IsCancellationRequested && Action(stage) == "pause")
                await Task.Delay(PausePeriod, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            return cancellationToken.IsCancellationRequested ? null : await AtAsync(stage, cancellationToken).ConfigureAwait(false);
        }
        if (action == "hang")
            await Task.Delay(Timeout.Infinite, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        return Failures.Broken(stage, $"fault point {stage}:{action}");
    }

    private string? Action(string stage)
    {
        string file = Path.Combine(_options.RunDirectory, "fault");
        string text = File.Exists(file) ? File.ReadAllText(file) : _environment ?? "";
        foreach (string entry in text.Split([',', '\n'], StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
        {
            string[] parts = entry.Split(':');
            if (parts.Length != 2 || parts[1] is not ("fail" or "hang" or "pause" or "crash") || !Stages.Contains(parts[0], StringComparer.OrdinalIgnoreCase))
                LogUnknown(entry);
            else if (stage.Equals(parts[0], StringComparison.OrdinalIgnoreCase))
                return parts[1];
        }
        return null;
    }

    [LoggerMessage(500, LogLevel.Warning, "{Variable} is set and ignored: allow-faults is not")]
    private partial void LogNotAllowed(string variable);

    [LoggerMessage(501, LogLevel.Error, "fault point '{Entry}' is not stage:action")]
    private partial void LogUnknown(string entry);

    [LoggerMessage(502, LogLevel.Warning, "fault point {Stage}: {Action}")]
    private partial void LogFault(string stage, string action);
}
