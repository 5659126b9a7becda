using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace OpenMosix.Daemon.Hosting;

public static class HostingServices
{
    public static IServiceCollection AddHosting(this IServiceCollection services, DaemonOptions options)
    {
        services.Configure<ConsoleLifetimeOptions>(lifetime => lifetime.SuppressStatusMessages = true);
        services.AddLogging(logging => AddDaemonLog(logging, options));
        services.AddSingleton(new SystemdNotifier(Environment.GetEnvironmentVariable));
        services.AddHostedService<Lifecycle>();
        services.AddHostedService<Rest>();
        return services;
    }

    private static void AddDaemonLog(ILoggingBuilder logging, DaemonOptions options)
    {
        logging.SetMinimumLevel(options.LogLevel);
        logging.AddFilter("Microsoft", LogLevel.Warning);
        logging.Services.AddSingleton<ILoggerProvider, StderrLog>();
    }
}
