using Microsoft.Extensions.DependencyInjection;

namespace OpenMosix.Daemon.Warden;

public static class WardenServices
{
    public static IServiceCollection AddWarden(this IServiceCollection services) => services;
}
