using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;

namespace OpenMosix.Daemon.Control;

public static class ControlServices
{
    public static IServiceCollection AddControl(this IServiceCollection services) => services;

    /// <summary>For tools: on the Unix socket only.</summary>
    public static IEndpointRouteBuilder MapControl(this IEndpointRouteBuilder routes) => routes;
}
