using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using OpenMosix.Grpc.Server;
using OpenMosix.Grpc.Services;
using ServiceDescriptor = Google.Protobuf.Reflection.ServiceDescriptor;

namespace OpenMosix.Grpc;

public static class GrpcEndpoints
{
    /// <summary>Serves the methods of one service; see <see cref="IServiceBinder"/>.</summary>
    /// <example><c>app.MapGrpcService(ClusterReflection.Descriptor.Service("Cluster"), s => s.Unary&lt;GossipMessage, GossipMessage&gt;("Gossip", OnGossip))</c></example>
    public static IEndpointRouteBuilder MapGrpcService(this IEndpointRouteBuilder endpoints, ServiceDescriptor service, Action<IServiceBinder> bind)
    {
        bind(new EndpointBinder(endpoints, service, endpoints.ServiceProvider.GetRequiredService<CallPipeline>()));
        endpoints.ServiceProvider.GetRequiredService<ServedServices>().Add(service);
        return endpoints;
    }

    /// <summary>The standard services — health and reflection — and UNIMPLEMENTED for all that is not there. Call once, after the services.</summary>
    public static IEndpointRouteBuilder MapGrpcStandardServices(this IEndpointRouteBuilder endpoints)
    {
        HealthService.Map(endpoints);
        ReflectionService.Map(endpoints);
        var pipeline = endpoints.ServiceProvider.GetRequiredService<CallPipeline>();
        endpoints.MapFallback("{**path}", (RequestDelegate)pipeline.UnknownMethodAsync);
        return endpoints;
    }
}
