using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;

namespace OpenMosix.Daemon.Cluster;

public static class ClusterServices
{
    public static IServiceCollection AddCluster(this IServiceCollection services) => services;

    /// <summary>For nodes: on the mutual TLS port only.</summary>
    public static IEndpointRouteBuilder MapCluster(this IEndpointRouteBuilder routes) => routes;
}
