using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using OpenMosix.Grpc;

namespace OpenMosix.Daemon.Ship;

public static class ShipServices
{
    public static IServiceCollection AddShip(this IServiceCollection services) => services.AddSingleton<PageSource>();

    /// <summary>For nodes: on the mutual TLS port only.</summary>
    public static IEndpointRouteBuilder MapShip(this IEndpointRouteBuilder routes) =>
        routes.MapGrpcService(PagesMethods.Service, routes.ServiceProvider.GetRequiredService<PageSource>().Bind);
}
