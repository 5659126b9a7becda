// The log: one event, one line, written at once to stderr: `time level area[id] (scope) message`, or for the journal, which knows the time,
// `<N>area[id] ...`. Of the scopes only ours (a move's id) are shown, not Kestrel's numbers of connections and requests. Any thread; lines do
// not mix. A reader that is gone or does not read costs the line, not the daemon.
using System.Globalization;
using Microsoft.Extensions.Logging;

namespace OpenMosix.Daemon.Hosting;

internal sealed class StderrLog : ILoggerProvider, ISupportExternalScope
{
    private readonly Lock _lock = new();
    private readonly TextWriter _output;
    private readonly TimeProvider _time;
    private readonly bool _journal;
    private IExternalScopeProvider? _scopes;

    public StderrLog(TimeProvider time)
        : this(time, new StreamWriter(Console.OpenStandardError()) { AutoFlush = true }, Environment.GetEnvironmentVariable("JOURNAL_STREAM") is not null)
    {
    }

    internal StderrLog(TimeProvider time, TextWriter output, bool journal)
    {
        _time = time;
        _output = output;
        _journal = journal;
    }

    public ILogger CreateLogger(string categoryName) => new Area(this, Short(categoryName));

    public void SetScopeProvider(IExternalScopeProvider scopeProvider) => _scopes = scopeProvider;

    public void Dispose() => _output.Dispose();

    private static string Short(string category)
    {
        const string Ours = "OpenMosix.";
        const string Daemon = Ours + "Daemon.";
        return category.StartsWith(Daemon, StringComparison.Ordinal) ? category[Daemon.Length..]
            : category.StartsWith(Ours, StringComparison.Ordinal) ? category[Ours.Length..]
            : category;
    }

    private void Write(string area, LogLevel level, EventId id, string message)
    {
        using var line = new StringWriter(CultureInfo.InvariantCulture);
        if (_journal)
            line.Write(Priority(level));
        else
            line.Write(_time.GetUtcNow().UtcDateTime.ToString("yyyy-MM-ddTHH:mm:ss.fffZ ", CultureInfo.InvariantCulture) + Word(level));
        line.Write($"{area}[{id.Id}] ");
        _scopes?.ForEachScope(
            static (scope, line) =>
            {
                if (scope?.GetType().Namespace?.StartsWith("Microsoft.AspNetCore", StringComparison.Ordinal) == false)
                    line.Write($"({scope}) ");
            },
            line);
        line.Write(message.AsSpan().ContainsAny('\n', '\r') ? message.ReplaceLineEndings(" | ") : message);
        line.Write('\n');
        try
        {
            lock (_lock)
                _output.Write(line.ToString());
        }
        catch (IOException)
        {
            // Nobody reads any more.
        }
    }

    private static string Word(LogLevel level) => level switch
    {
        LogLevel.Trace or LogLevel.Debug => "debug ",
        LogLevel.Information => "info  ",
        LogLevel.Warning => "warn  ",
        _ => "error ",
    };

    // syslog(3), as sd-daemon(3) wants it.
    private static string Priority(LogLevel level) => level switch
    {
        LogLevel.Trace or LogLevel.Debug => "<7>",
        LogLevel.Information => "<6>",
        LogLevel.Warning => "<4>",
        LogLevel.Error => "<3>",
        _ => "<2>",
    };

    private sealed class Area(StderrLog log, string name) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => log._scopes?.Push(state);

        public bool IsEnabled(LogLevel logLevel) => logLevel != LogLevel.None;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            string message = formatter(state, exception);
            log.Write(name, logLevel, eventId, exception is null ? message : $"{message}: {exception}");
        }
    }
}
