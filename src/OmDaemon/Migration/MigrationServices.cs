using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;

namespace OpenMosix.Daemon.Migration;

public static class MigrationServices
{
    public static IServiceCollection AddMigration(this IServiceCollection services) => services;

    /// <summary>For nodes: on the mutual TLS port only.</summary>
    public static IEndpointRouteBuilder MapMigration(this IEndpointRouteBuilder routes) => routes;
}
