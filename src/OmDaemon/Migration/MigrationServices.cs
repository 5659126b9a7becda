using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using OpenMosix.Daemon.Control;
using OpenMosix.Daemon.Warden;
using OpenMosix.Grpc;
using OpenMosix.Protocol.Image;

namespace OpenMosix.Daemon.Migration;

public static class MigrationServices
{
    // Stopped in reverse: Mover before Errands, and both while the warden is still connected.
    public static IServiceCollection AddMigration(this IServiceCollection services) => services
        .AddSingleton<ImageCheck>(ImageValidation.Check)
        .AddSingleton<FaultPoints>()
        .AddSingleton<IPageShip, PageShip>()
        .AddSingleton<Guests>()
        .AddSingleton<LocalNode>()
        .AddSingleton<HomeClocks>()
        .AddSingleton<MoveNodes>()
        .AddSingleton<HomeDeputy>()
        .AddSingleton<Errands>()
        .AddSingleton<IHostedService>(all => all.GetRequiredService<Errands>())
        .AddSingleton<Groups>()
        .AddSingleton<Mover>()
        .AddSingleton<IMover>(all => all.GetRequiredService<Mover>())
        .AddSingleton<HomeComing>()
        .AddSingleton<Reconciler>()
        .AddSingleton<IHostedService>(all => all.GetRequiredService<Reconciler>())
        .AddSingleton<IHostedService>(all => all.GetRequiredService<HomeComing>())
        .AddSingleton<IHostedService>(all => all.GetRequiredService<Mover>())
        .AddSingleton<IWardenListener>(all => all.GetRequiredService<Guests>())
        .AddSingleton<IWardenListener>(all => all.GetRequiredService<LocalNode>())
        .AddSingleton<IWardenListener>(all => all.GetRequiredService<Reconciler>())
        .AddSingleton<IWardenListener>(all => all.GetRequiredService<HomeComing>())
        .AddSingleton<MigrationService>();

    /// <summary>For nodes: on the mutual TLS port only.</summary>
    public static IEndpointRouteBuilder MapMigration(this IEndpointRouteBuilder routes) =>
        routes.MapGrpcService(MigrationCalls.Service, routes.ServiceProvider.GetRequiredService<MigrationService>().Bind);
}
