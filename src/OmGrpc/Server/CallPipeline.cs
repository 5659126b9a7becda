using Google.Protobuf;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using OpenMosix.Grpc.Wire;

namespace OpenMosix.Grpc.Server;

/// <summary>
/// What all calls have in common: admission, deadline, the handler, and a status for whatever it did. A handler's failure ends its
/// call only; the caller is told the class of an unexpected exception, never its text.
/// </summary>
internal sealed partial class CallPipeline(GrpcServerOptions options, TimeProvider time, IHostApplicationLifetime lifetime, ILogger<CallPipeline> logger)
{
    public async Task RunAsync(HttpContext http, bool anonymous, Func<HttpServerCall, Task> body)
    {
        if (!IsGrpc(http.Request))
        {
            http.Response.StatusCode = StatusCodes.Status415UnsupportedMediaType;
            return;
        }

        Prepare(http);
        var known = Peer.IsKnown(http);
        if (!anonymous && !known)
        {
            NoCertificate(http.Connection.RemoteIpAddress?.ToString() ?? "?", http.Connection.RemotePort, http.Request.Path);
            Finish(http, new Status(StatusCode.Unauthenticated, "A certificate of the cluster is needed."), null);
            return;
        }

        Status status;
        HttpServerCall? call = null;
        try
        {
            call = HttpServerCall.Begin(http, known ? CallLimits.Known(options) : CallLimits.Anonymous, time, lifetime.ApplicationStopping);
            await body(call).ConfigureAwait(false);
            status = Status.OK;
        }
        catch (RpcException chosen)
        {
            status = chosen.Status;
            foreach (var (name, value) in chosen.Trailers)
            {
                call?.ResponseTrailers.Add(name, value);
            }
        }
        catch (Exception) when (call is { CancellationToken.IsCancellationRequested: true })
        {
            // Whatever a handler throws once it was told to stop is its way of stopping.
            status = call.DeadlinePassed ? new Status(StatusCode.DeadlineExceeded, "The deadline passed.")
                : lifetime.ApplicationStopping.IsCancellationRequested ? new Status(StatusCode.Unavailable, "The server is stopping.")
                : new Status(StatusCode.Cancelled, "The call was cancelled.");
        }
        catch (Exception bug)
        {
            HandlerFailed(bug, http.Request.Path);
            status = new Status(StatusCode.Unknown, $"The handler failed: {bug.GetType().Name}.");
        }

        Finish(http, status, call);
        call?.Dispose();
    }

    public static async ValueTask<T> ReadOneAsync<T>(HttpContext http, MessageParser<T> parser, HttpServerCall call)
        where T : class, IMessage<T>
    {
        var reader = http.Request.BodyReader;
        var message = await MessageReader.ReadAsync(reader, parser, call.CeilingBytes, call.CancellationToken).ConfigureAwait(false)
            ?? throw new RpcException(StatusCode.Internal, "The request has no message.");
        return await MessageReader.ReadAsync(reader, parser, call.CeilingBytes, call.CancellationToken).ConfigureAwait(false) is null
            ? message
            : throw new RpcException(StatusCode.Internal, "The request has more than one message.");
    }

    public async Task UnknownMethodAsync(HttpContext http)
    {
        if (!IsGrpc(http.Request))
        {
            http.Response.StatusCode = StatusCodes.Status404NotFound;
            return;
        }

        Prepare(http);
        Finish(http, new Status(StatusCode.Unimplemented, $"There is no {http.Request.Path} here."), null);
        await http.Response.CompleteAsync().ConfigureAwait(false);
    }

    private static bool IsGrpc(HttpRequest request) =>
        HttpMethods.IsPost(request.Method) && request.ContentType is { } type
        && (type.Equals("application/grpc", StringComparison.OrdinalIgnoreCase)
            || type.StartsWith("application/grpc+proto", StringComparison.OrdinalIgnoreCase)
            || type.StartsWith("application/grpc;", StringComparison.OrdinalIgnoreCase));

    private static void Prepare(HttpContext http)
    {
        http.Response.ContentType = "application/grpc";
        http.Response.Headers["grpc-accept-encoding"] = "identity";
        http.Features.Get<IHttpResponseBodyFeature>()?.DisableBuffering();
    }

    private static void Finish(HttpContext http, Status status, HttpServerCall? call)
    {
        if (http.RequestAborted.IsCancellationRequested)
        {
            return;
        }

        // Not started: everything goes as headers, which end the stream ("Trailers-Only").
        call?.SendHeaders();
        var target = http.Response.HasStarted ? http.Features.Get<IHttpResponseTrailersFeature>()?.Trailers : http.Response.Headers;
        if (target is null)
        {
            return;
        }

        target["grpc-status"] = ((int)status.Code).ToString(System.Globalization.CultureInfo.InvariantCulture);
        if (status.Detail.Length > 0)
        {
            target["grpc-message"] = PercentEncoding.Encode(status.Detail);
        }

        foreach (var (name, value) in call?.ResponseTrailers ?? [])
        {
            target.Append(name, value);
        }
    }

    [LoggerMessage(2001, LogLevel.Warning, "Refused {Address}:{Port} calling {Path}: it has no certificate of the cluster")]
    private partial void NoCertificate(string address, int port, string path);

    [LoggerMessage(2002, LogLevel.Error, "Handler of {Path} failed")]
    private partial void HandlerFailed(Exception exception, string path);
}
