using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using OpenMosix.Grpc;
using OpenMosix.Protocol.V1;
using GrpcServiceDescriptor = Google.Protobuf.Reflection.ServiceDescriptor;

namespace OpenMosix.Daemon.Control;

public static class ControlServices
{
    public static IServiceCollection AddControl(this IServiceCollection services)
    {
        services.AddSingleton<IEventFeed, EventFeed>();
        services.AddSingleton<IProcessDirectory, NoJobs>(); // whoever comes later replaces them
        services.AddSingleton<IMover, NoJobs>();
        services.AddSingleton<ControlService>();
        return services;
    }

    /// <summary>For tools: on the Unix socket only.</summary>
    public static IEndpointRouteBuilder MapControl(this IEndpointRouteBuilder routes) => routes.MapGrpcService(
        ControlReflection.Descriptor.FindTypeByName<GrpcServiceDescriptor>("Control"),
        routes.ServiceProvider.GetRequiredService<ControlService>().Bind);
}
