using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using OpenMosix.Daemon.Hosting;

namespace OpenMosix.Daemon.Tests.Hosting;

public sealed class LineFormatterTests
{
    [Fact]
    public void Write_ExceptionOfManyLines_OneLineWithScopeAndId()
    {
        var scopes = new LoggerExternalScopeProvider();
        using IDisposable scope = scopes.Push("move 7f/3");
        using var text = new StringWriter();
        var entry = new LogEntry<string>(
            LogLevel.Error, "OpenMosix.Daemon.Migration.Move", new EventId(560), "a\nb", new InvalidOperationException("c\nd"), (state, _) => state);
        new LineFormatter(new ManualTime()).Write(entry, scopes, text);
        string line = text.ToString();
        Assert.Equal(1, line.Count(c => c == '\n'));
        Assert.EndsWith("\n", line, StringComparison.Ordinal);
        Assert.Contains("Migration.Move[560] (move 7f/3) a | b: System.InvalidOperationException: c | d", line, StringComparison.Ordinal);
    }
}
