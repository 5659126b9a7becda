// SIGHUP: what may change while the daemon runs (seeds, accepts, ushering) changes; what may not is named. A file with a mistake
// changes nothing.
namespace OpenMosix.Daemon.Hosting;

public sealed class OptionsReload(DaemonOptions started, Func<OptionsResult> read)
{
    private readonly DaemonOptions _started = started;
    private volatile DaemonOptions _current = started;

    /// <summary>The options in force. What cannot change while the daemon runs is as it was at the start.</summary>
    public DaemonOptions Current => _current;

    public event Action<DaemonOptions>? Changed;

    /// <summary>Says what came of it, for the log.</summary>
    public string Reload()
    {
        switch (read())
        {
            case OptionsResult.Good good:
                DaemonOptions next = _started with { Seeds = good.Options.Seeds, Accepts = good.Options.Accepts, Ushering = good.Options.Ushering };
                bool needsRestart = good.Options with { Seeds = next.Seeds, Accepts = next.Accepts, Ushering = next.Ushering } != next;
                _current = next;
                Changed?.Invoke(next);
                return needsRestart ? "seeds, accepts and ushering in force; another change needs a restart" : "in force";
            case OptionsResult.Bad bad:
                return $"nothing changed: {string.Join("; ", bad.Errors)}";
            default:
                return "nothing changed";
        }
    }
}
