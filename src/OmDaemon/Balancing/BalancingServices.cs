using Microsoft.Extensions.DependencyInjection;

namespace OpenMosix.Daemon.Balancing;

public static class BalancingServices
{
    public static IServiceCollection AddBalancing(this IServiceCollection services) => services
        .AddSingleton<PressureWatch>()
        .AddHostedService<Usher>();
}
