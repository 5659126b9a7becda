using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace OpenMosix.Daemon.Warden;

public static class WardenServices
{
    public static IServiceCollection AddWarden(this IServiceCollection services) => services
        .AddSingleton<WardenClient>()
        .AddSingleton<IWarden>(all => all.GetRequiredService<WardenClient>())
        .AddSingleton<IHostedService>(all => all.GetRequiredService<WardenClient>())
        .AddSingleton<WardenSetup>()
        .AddSingleton<IHostedService>(all => all.GetRequiredService<WardenSetup>())
        .AddSingleton<IWardenListener>(all => all.GetRequiredService<WardenSetup>())
        .AddHostedService<WardenDispatcher>();
}
