using Google.Protobuf;

namespace OpenMosix.Grpc;

/// <summary>
/// Gives the methods of one service their handlers. Names, kinds and types are checked against the service's .proto; methods
/// without a handler answer UNIMPLEMENTED. Handlers choose their status by throwing <see cref="RpcException"/>.
/// </summary>
public interface IServiceBinder
{
    /// <summary>Lets callers without a certificate of the cluster call the methods bound after this.</summary>
    IServiceBinder AllowAnonymous();

    IServiceBinder Unary<TRequest, TResponse>(string method, Func<TRequest, ServerCall, Task<TResponse>> handler)
        where TRequest : class, IMessage<TRequest>, new()
        where TResponse : class, IMessage<TResponse>, new();

    IServiceBinder ClientStreaming<TRequest, TResponse>(string method, Func<IAsyncEnumerable<TRequest>, ServerCall, Task<TResponse>> handler)
        where TRequest : class, IMessage<TRequest>, new()
        where TResponse : class, IMessage<TResponse>, new();

    IServiceBinder ServerStreaming<TRequest, TResponse>(string method, Func<TRequest, IStreamWriter<TResponse>, ServerCall, Task> handler)
        where TRequest : class, IMessage<TRequest>, new()
        where TResponse : class, IMessage<TResponse>, new();

    IServiceBinder Duplex<TRequest, TResponse>(
        string method, Func<IAsyncEnumerable<TRequest>, IStreamWriter<TResponse>, ServerCall, Task> handler)
        where TRequest : class, IMessage<TRequest>, new()
        where TResponse : class, IMessage<TResponse>, new();

    /// <summary>A server-streaming method that writes the bytes of its messages itself, where they are to lie (see <see cref="FrameWriter"/>).</summary>
    IServiceBinder RawServerStreaming<TRequest, TResponse>(string method, Func<TRequest, FrameWriter, ServerCall, Task> handler)
        where TRequest : class, IMessage<TRequest>, new()
        where TResponse : class, IMessage<TResponse>, new();
}
