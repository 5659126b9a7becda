using System.Runtime.CompilerServices;
using Google.Protobuf;
using Google.Protobuf.Reflection;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using OpenMosix.Grpc.Wire;

namespace OpenMosix.Grpc.Server;

/// <summary>Binds handlers to endpoints of ASP.NET Core's routing.</summary>
internal sealed class EndpointBinder(IEndpointRouteBuilder endpoints, ServiceDescriptor service, CallPipeline pipeline) : IServiceBinder
{
    private bool _anonymous;

    public IServiceBinder AllowAnonymous()
    {
        _anonymous = true;
        return this;
    }

    public IServiceBinder Unary<TRequest, TResponse>(string method, Func<TRequest, ServerCall, Task<TResponse>> handler)
        where TRequest : class, IMessage<TRequest>, new()
        where TResponse : class, IMessage<TResponse>, new()
    {
        var bound = Method<TRequest, TResponse>(method, MethodKind.Unary);
        return Map(bound.Path, async (http, call) =>
        {
            var request = await CallPipeline.ReadOneAsync(http, bound.RequestParser, call).ConfigureAwait(false);
            var response = await handler(request, call).ConfigureAwait(false);
            await new HttpStreamWriter<TResponse>(http, call).WriteAsync(response).ConfigureAwait(false);
        });
    }

    public IServiceBinder ClientStreaming<TRequest, TResponse>(string method, Func<IAsyncEnumerable<TRequest>, ServerCall, Task<TResponse>> handler)
        where TRequest : class, IMessage<TRequest>, new()
        where TResponse : class, IMessage<TResponse>, new()
    {
        var bound = Method<TRequest, TResponse>(method, MethodKind.ClientStreaming);
        return Map(bound.Path, async (http, call) =>
        {
            var response = await handler(ReadAll(http, bound.RequestParser, call, call.CancellationToken), call).ConfigureAwait(false);
            await new HttpStreamWriter<TResponse>(http, call).WriteAsync(response).ConfigureAwait(false);
        });
    }

    public IServiceBinder ServerStreaming<TRequest, TResponse>(string method, Func<TRequest, IStreamWriter<TResponse>, ServerCall, Task> handler)
        where TRequest : class, IMessage<TRequest>, new()
        where TResponse : class, IMessage<TResponse>, new()
    {
        var bound = Method<TRequest, TResponse>(method, MethodKind.ServerStreaming);
        return Map(bound.Path, async (http, call) =>
        {
            var request = await CallPipeline.ReadOneAsync(http, bound.RequestParser, call).ConfigureAwait(false);
            await handler(request, new HttpStreamWriter<TResponse>(http, call), call).ConfigureAwait(false);
        });
    }

    public IServiceBinder Duplex<TRequest, TResponse>(
        string method, Func<IAsyncEnumerable<TRequest>, IStreamWriter<TResponse>, ServerCall, Task> handler)
        where TRequest : class, IMessage<TRequest>, new()
        where TResponse : class, IMessage<TResponse>, new()
    {
        var bound = Method<TRequest, TResponse>(method, MethodKind.Duplex);
        return Map(bound.Path, async (http, call) =>
        {
            // A client may wait for the headers before it sends anything.
            call.SendHeaders();
            await http.Response.StartAsync().ConfigureAwait(false);
            var requests = ReadAll(http, bound.RequestParser, call, call.CancellationToken);
            await handler(requests, new HttpStreamWriter<TResponse>(http, call), call).ConfigureAwait(false);
        });
    }

    public IServiceBinder RawServerStreaming<TRequest, TResponse>(string method, Func<TRequest, FrameWriter, ServerCall, Task> handler)
        where TRequest : class, IMessage<TRequest>, new()
        where TResponse : class, IMessage<TResponse>, new()
    {
        var bound = Method<TRequest, TResponse>(method, MethodKind.ServerStreaming);
        return Map(bound.Path, async (http, call) =>
        {
            var request = await CallPipeline.ReadOneAsync(http, bound.RequestParser, call).ConfigureAwait(false);
            call.SendHeaders();
            await handler(request, new FrameWriter(http.Response.BodyWriter), call).ConfigureAwait(false);
        });
    }

    private GrpcMethod<TRequest, TResponse> Method<TRequest, TResponse>(string name, MethodKind kind)
        where TRequest : class, IMessage<TRequest>, new()
        where TResponse : class, IMessage<TResponse>, new()
    {
        var method = new GrpcMethod<TRequest, TResponse>(service, name);
        method.MustBe(kind);
        return method;
    }

    private EndpointBinder Map(string path, Func<HttpContext, HttpServerCall, Task> body)
    {
        var anonymous = _anonymous;
        endpoints.MapPost(path, (RequestDelegate)(http => pipeline.RunAsync(http, anonymous, call => body(http, call)))).WithDisplayName(path);
        return this;
    }

    private static async IAsyncEnumerable<T> ReadAll<T>(
        HttpContext http, MessageParser<T> parser, HttpServerCall call, [EnumeratorCancellation] CancellationToken cancellationToken)
        where T : class, IMessage<T>
    {
        using var both = CancellationTokenSource.CreateLinkedTokenSource(call.CancellationToken, cancellationToken);
        while (await MessageReader.ReadAsync(http.Request.BodyReader, parser, call.CeilingBytes, both.Token).ConfigureAwait(false) is { } message)
        {
            yield return message;
        }
    }
}
