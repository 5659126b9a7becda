using Microsoft.Extensions.Logging;
using OpenMosix.Daemon.Hosting;

namespace OpenMosix.Daemon.Tests.Hosting;

public sealed class StderrLogTests
{
    private static readonly EventId s_id = new(560);

    [Fact]
    public void Log_ExceptionOfManyLines_OneLineWithScopeAndId() =>
        Assert.Equal(
            "2030-01-01T00:00:00.000Z error Migration.Move[560] (move 7f/3) a | b: System.InvalidOperationException: c | d\n",
            Logged(journal: false, log => log.LogError(s_id, new InvalidOperationException("c\nd"), "a\nb")));

    [Fact]
    public void Log_ToTheJournal_PriorityInsteadOfTime() =>
        Assert.Equal("<4>Migration.Move[560] (move 7f/3) a\n", Logged(journal: true, log => log.LogWarning(s_id, "a")));

    [Fact]
    public void Log_ReaderGone_IsNoFailure()
    {
        using var gone = new Gone();
        using var provider = new StderrLog(new ManualTime(), gone, journal: false);
        provider.CreateLogger("OpenMosix.Daemon.Migration.Move").LogError("a");
        Assert.Equal(1, gone.Tried);
    }

    private static string Logged(bool journal, Action<ILogger> what)
    {
        using var text = new StringWriter();
        using var provider = new StderrLog(new ManualTime(), text, journal);
        provider.SetScopeProvider(new LoggerExternalScopeProvider());
        ILogger log = provider.CreateLogger("OpenMosix.Daemon.Migration.Move");
        using (log.BeginScope("move {Key}/{Epoch}", "7f", 3))
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
