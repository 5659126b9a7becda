using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Console;

namespace OpenMosix.Daemon.Hosting;

public static class HostingServices
{
    public static IServiceCollection AddHosting(this IServiceCollection services, DaemonOptions options)
    {
        services.Configure<ConsoleLifetimeOptions>(lifetime => lifetime.SuppressStatusMessages = true);
        services.AddLogging(logging => AddDaemonLog(logging, options));
        services.AddSingleton(new SystemdNotifier(Environment.GetEnvironmentVariable));
        services.AddHostedService<Lifecycle>();
        return services;
    }

    // Under systemd the journal has the time already and understands <N> levels.
    private static void AddDaemonLog(ILoggingBuilder logging, DaemonOptions options)
    {
        logging.SetMinimumLevel(options.LogLevel);
        logging.AddFilter("Microsoft", LogLevel.Warning);
        if (Environment.GetEnvironmentVariable("JOURNAL_STREAM") is not null)
            logging.AddSystemdConsole(console => console.IncludeScopes = true);
        else
            logging.AddSimpleConsole(console =>
            {
                console.SingleLine = true;
                console.IncludeScopes = true;
                console.ColorBehavior = LoggerColorBehavior.Disabled;
                console.UseUtcTimestamp = true;
                console.TimestampFormat = "yyyy-MM-ddTHH:mm:ss.fffZ ";
            });
        logging.Services.Configure<ConsoleLoggerOptions>(console => console.LogToStandardErrorThreshold = LogLevel.Trace);
    }
}
