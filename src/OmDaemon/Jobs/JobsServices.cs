using Microsoft.Extensions.DependencyInjection;
using OpenMosix.Daemon.Cluster;
using OpenMosix.Daemon.Control;

namespace OpenMosix.Daemon.Jobs;

public static class JobsServices
{
    public static IServiceCollection AddJobs(this IServiceCollection services) => services
        .AddSingleton<JobStore>()
        .AddSingleton<JobRegistry>()
        .AddSingleton<IWork, Work>()
        .AddSingleton<IProcessDirectory, ProcessDirectory>()
        .AddHostedService<RunListener>();
}
