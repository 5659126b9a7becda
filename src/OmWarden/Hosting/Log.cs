// One line a message, on stderr. Under systemd the journal has the time already and understands <N> levels.
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Console;

namespace OpenMosix.Warden.Hosting;

internal static class Log
{
    internal static ILoggerFactory Create(WardenOptions options) => LoggerFactory.Create(logging =>
    {
        logging.SetMinimumLevel(options.Debug ? LogLevel.Debug : LogLevel.Information);
        if (Environment.GetEnvironmentVariable("JOURNAL_STREAM") is not null)
            logging.AddSystemdConsole();
        else
            logging.AddSimpleConsole(console =>
            {
                console.SingleLine = true;
                console.ColorBehavior = LoggerColorBehavior.Disabled;
                console.UseUtcTimestamp = true;
                console.TimestampFormat = "yyyy-MM-ddTHH:mm:ss.fffZ ";
            });
        logging.Services.Configure<ConsoleLoggerOptions>(console => console.LogToStandardErrorThreshold = LogLevel.Trace);
    });
}
