using Microsoft.Extensions.Logging;
using OpenMosix.Daemon.Hosting;
using OpenMosix.Daemon.Tests.Fakes;

namespace OpenMosix.Daemon.Tests.Hosting;

public sealed class StderrLogTests
{
    private static readonly EventId s_id = new(560);

    [Fact]
    public void Log_ExceptionOfManyLines_OneLineWithScopeAndId() =>
        Assert.Equal(
            "2026-01-01T00:00:00.000Z error Migration.Move[560] (move 7f/3) a | b: System.InvalidOperationException: c | d\n",
            Logged(journal: false, log => log.Log(LogLevel.Error, s_id, "a\nb", new InvalidOperationException("c\nd"), (state, _) => state)));

    [Fact]
    public void Log_ToTheJournal_PriorityInsteadOfTime() =>
        Assert.Equal("<4>Migration.Move[560] (move 7f/3) a\n", Logged(journal: true, log => log.Log(LogLevel.Warning, s_id, "a", null, (state, _) => state)));

    [Fact]
    public void Log_ReaderGone_IsNoFailure()
    {
        using var gone = new Gone();
        using var provider = new StderrLog(new ManualTime(), gone, journal: false);
        provider.CreateLogger("OpenMosix.Daemon.Migration.Move").Log(LogLevel.Error, s_id, "a", null, (state, _) => state);
        Assert.Equal(1, gone.Tried);
    }

    private static string Logged(bool journal, Action<ILogger> what)
    {
        using var text = new StringWriter();
        using var provider = new StderrLog(new ManualTime(), text, journal);
        provider.SetScopeProvider(new LoggerExternalScopeProvider());
        ILogger log = provider.CreateLogger("OpenMosix.Daemon.Migration.Move");
        using (log.BeginScope("move 7f/3"))
            what(log);
        return text.ToString();
    }

    private sealed class Gone : StringWriter
    {
        public int Tried { get; private set; }

        public override void Write(string? value)
        {
            Tried++;
            throw new IOException("broken pipe");
        }
    }
}
