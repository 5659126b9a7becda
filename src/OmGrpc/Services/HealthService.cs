using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using OpenMosix.Grpc.Services.Health;
using ServingStatus = OpenMosix.Grpc.Services.Health.HealthCheckResponse.Types.ServingStatus;

namespace OpenMosix.Grpc.Services;

/// <summary>grpc.health.v1: SERVING for what is mapped from start to stop; a watcher hears of the stop as its last word.</summary>
internal static class HealthService
{
    public static void Map(IEndpointRouteBuilder endpoints)
    {
        var served = endpoints.ServiceProvider.GetRequiredService<ServedServices>();
        var lifetime = endpoints.ServiceProvider.GetRequiredService<IHostApplicationLifetime>();
        endpoints.MapGrpcService(HealthReflection.Descriptor.Service("Health"), service => service
            .Unary<HealthCheckRequest, HealthCheckResponse>("Check", (request, _) => Task.FromResult(Check(served, request)))
            .ServerStreaming<HealthCheckRequest, HealthCheckResponse>("Watch", (request, answers, call) => WatchAsync(served, lifetime, request, answers, call)));
    }

    private static HealthCheckResponse Check(ServedServices served, HealthCheckRequest request) =>
        IsServed(served, request)
            ? new HealthCheckResponse { Status = ServingStatus.Serving }
            : throw new RpcException(StatusCode.NotFound, $"There is no service '{request.Service}' here.");

    private static async Task WatchAsync(
        ServedServices served, IHostApplicationLifetime lifetime, HealthCheckRequest request, IStreamWriter<HealthCheckResponse> answers, ServerCall call)
    {
        var status = IsServed(served, request) ? ServingStatus.Serving : ServingStatus.ServiceUnknown;
        await answers.WriteAsync(new HealthCheckResponse { Status = status }).ConfigureAwait(false);
        var ended = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        using (call.CancellationToken.Register(ended.SetResult))
        {
            await ended.Task.ConfigureAwait(false);
        }

        if (lifetime.ApplicationStopping.IsCancellationRequested)
        {
            // The call's own token is set already.
            using var last = new CancellationTokenSource(TimeSpan.FromSeconds(1));
            await answers.WriteAsync(new HealthCheckResponse { Status = ServingStatus.NotServing }, last.Token).ConfigureAwait(false);
        }

        call.CancellationToken.ThrowIfCancellationRequested();
    }

    private static bool IsServed(ServedServices served, HealthCheckRequest request) => request.Service.Length == 0 || served.Contains(request.Service);
}
