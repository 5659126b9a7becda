using Microsoft.Extensions.DependencyInjection;

namespace OpenMosix.Daemon.Jobs;

public static class JobsServices
{
    public static IServiceCollection AddJobs(this IServiceCollection services) => services
        .AddSingleton<JobStore>()
        .AddSingleton<JobRegistry>()
        .AddHostedService<RunListener>();
}
