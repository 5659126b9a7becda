// One event, one line: `time level area[id] scope: message`, or for the journal, which knows the time, `<N>area[id] ...`. Of the scopes only ours
// (a move's id) are shown, not Kestrel's numbers of connections and requests. Line ends inside become " | ".
using System.Globalization;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Logging.Console;

namespace OpenMosix.Daemon.Hosting;

internal sealed class LineFormatter(TimeProvider time) : ConsoleFormatter(FormatterName)
{
    public const string FormatterName = "openmosix";

    private const string OurNames = "OpenMosix.Daemon.";
    private readonly bool _journal = Environment.GetEnvironmentVariable("JOURNAL_STREAM") is not null;

    public override void Write<TState>(in LogEntry<TState> logEntry, IExternalScopeProvider? scopeProvider, TextWriter textWriter)
    {
        string message = logEntry.Formatter(logEntry.State, logEntry.Exception);
        if (logEntry.Exception is { } exception)
            message = $"{message}: {exception}";
        if (_journal)
            textWriter.Write(Priority(logEntry.LogLevel));
        else
            textWriter.Write(time.GetUtcNow().UtcDateTime.ToString("yyyy-MM-ddTHH:mm:ss.fffZ ", CultureInfo.InvariantCulture) + Word(logEntry.LogLevel) + " ");
        string category = logEntry.Category;
        textWriter.Write(category.StartsWith(OurNames, StringComparison.Ordinal) ? category.AsSpan(OurNames.Length) : category);
        textWriter.Write(string.Create(CultureInfo.InvariantCulture, $"[{logEntry.EventId.Id}] "));
        scopeProvider?.ForEachScope(
            static (scope, writer) =>
            {
                if (scope?.GetType().Namespace?.StartsWith("Microsoft.AspNetCore", StringComparison.Ordinal) == false)
                    writer.Write($"({scope}) ");
            },
            textWriter);
        textWriter.Write(message.AsSpan().ContainsAny('\n', '\r') ? message.ReplaceLineEndings(" | ") : message);
        textWriter.Write('\n');
    }

    private static string Word(LogLevel level) => level switch
    {
        LogLevel.Trace or LogLevel.Debug => "debug",
        LogLevel.Information => "info ",
        LogLevel.Warning => "warn ",
        _ => "error",
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
}

internal sealed class LineFormatterOptions : ConsoleFormatterOptions;
