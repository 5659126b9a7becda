using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using OpenMosix.Grpc;

namespace OpenMosix.Daemon.Cluster;

public static class ClusterServices
{
    public static IServiceCollection AddCluster(this IServiceCollection services) => services
        .AddSingleton<IdentityFiles>()
        .AddSingleton<ClusterIdentity>()
        .AddSingleton<IClusterIdentity>(all => all.GetRequiredService<ClusterIdentity>())
        .AddSingleton<ILoadReader>(all => new LoadReader(all.GetRequiredService<TimeProvider>(), all.GetService<IWork>()))
        .AddSingleton(GossipTiming.Default)
        .AddSingleton<MemberFile>()
        .AddSingleton<ClusterView>()
        .AddSingleton<IClusterView>(all => all.GetRequiredService<ClusterView>())
        .AddSingleton<IPeerChannels, PeerChannels>()
        .AddSingleton<Admission>()
        .AddSingleton<Joining>()
        .AddSingleton<ClusterService>()
        .AddHostedService<GossipLoop>();

    /// <summary>For nodes: on the mutual TLS port only.</summary>
    public static IEndpointRouteBuilder MapCluster(this IEndpointRouteBuilder routes) =>
        routes.MapGrpcService(ClusterMethods.Service, routes.ServiceProvider.GetRequiredService<ClusterService>().Bind);
}
