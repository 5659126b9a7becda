// Named places of a move at which a test can make this node fail. OPENMOSIX_FAULT=stage:action[,stage:action...] in the daemon's environment, obeyed only
// with allow-faults = yes. Stages: freeze snapshot ship restore commit forward return. Actions: fail (the step is refused),
// hang (until its deadline, or until somebody kills the node), crash (SIGKILL to ourselves).
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

    private static readonly string[] Stages = [Stage.Freeze, Stage.Snapshot, Stage.Ship, Stage.Restore, Stage.Commit, Stage.Forward, Stage.Return];

    private readonly Dictionary<string, string> _actions = [];
    private readonly IEventFeed _feed;
    private readonly ILogger<FaultPoints> _log;

    public FaultPoints(DaemonOptions options, IEventFeed feed, ILogger<FaultPoints> log)
    {
        (_feed, _log) = (feed, log);
        if (Environment.GetEnvironmentVariable(Variable) is not { Length: > 0 } text)
            return;
        if (!options.AllowFaults)
        {
            LogNotAllowed(Variable);
            return;
        }
        foreach (string entry in text.Split(','))
        {
            string[] parts = entry.Split(':');
            if (parts.Length == 2 && Array.Find(Stages, stage => stage.Equals(parts[0], StringComparison.OrdinalIgnoreCase)) is { } stage &&
                parts[1] is "fail" or "hang" or "crash")
                _actions[stage] = parts[1];
            else
                LogUnknown(Variable, entry);
        }
    }

    /// <returns>A failure when the step must fail here.</returns>
    public async Task<Failure?> AtAsync(string stage, CancellationToken cancellationToken)
    {
        if (!_actions.TryGetValue(stage, out string? action))
            return null;
        LogFault(stage, action);
        _feed.Publish(new WatchEvent { Kind = "fault", Text = $"{stage}: {action}" });
        if (action == "crash")
            Process.GetCurrentProcess().Kill();
        if (action == "hang")
            await Task.Delay(Timeout.Infinite, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        return Failures.Broken(stage, $"fault point {stage}:{action}");
    }

    [LoggerMessage(500, LogLevel.Warning, "{Variable} is set and ignored: allow-faults is not")]
    private partial void LogNotAllowed(string variable);

    [LoggerMessage(501, LogLevel.Error, "{Variable}: '{Entry}' is not stage:action")]
    private partial void LogUnknown(string variable, string entry);

    [LoggerMessage(502, LogLevel.Warning, "fault point {Stage}: {Action}")]
    private partial void LogFault(string stage, string action);
}
