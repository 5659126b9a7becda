// Two doors, two sets of rooms: tools come through the Unix socket and see Control; nodes come through mutual TLS and see the rest.
// What is behind the other door is not there: UNIMPLEMENTED, whatever the caller may be. (Health and reflection are behind both.)
using System.Globalization;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using OpenMosix.Grpc;

namespace OpenMosix.Daemon.Hosting;

internal enum Surface
{
    Tools,
    Nodes,
}

internal static class Surfaces
{
    /// <summary>Routes that exist on one surface only.</summary>
    public static RouteGroupBuilder For(this IEndpointRouteBuilder routes, Surface surface) => routes.MapGroup("").WithMetadata(surface);

    /// <summary>After routing has chosen the endpoint.</summary>
    public static Task KeepApart(HttpContext http, RequestDelegate next)
    {
        Surface caller = http.Features.Get<UnixPeer>() is null ? Surface.Nodes : Surface.Tools;
        if (http.GetEndpoint()?.Metadata.OfType<Surface>().Any(surface => surface != caller) != true)
            return next(http);
        http.Response.ContentType = "application/grpc";
        http.Response.Headers["grpc-status"] = ((int)StatusCode.Unimplemented).ToString(CultureInfo.InvariantCulture);
        http.Response.Headers["grpc-message"] = $"There is no {http.Request.Path} here.";
        return http.Response.CompleteAsync();
    }
}
