using Google.Protobuf;

namespace OpenMosix.Grpc;

/// <summary>
/// A way to one server; calls share its HTTP/2 connections, which are made when needed. Every call ends with
/// <see cref="RpcException"/> unless its status is OK; with <see cref="OperationCanceledException"/> if the caller's own token was set.
/// An unreachable or untrusted server is <see cref="StatusCode.Unavailable"/>. Safe from any thread.
/// </summary>
public interface IGrpcChannel : IDisposable
{
    /// <summary>Unary.</summary>
    Task<TResponse> CallAsync<TRequest, TResponse>(
        GrpcMethod<TRequest, TResponse> method, TRequest request, CallOptions? options = null, CancellationToken cancellationToken = default)
        where TRequest : class, IMessage<TRequest>, new()
        where TResponse : class, IMessage<TResponse>, new();

    /// <summary>Client streaming: sends all requests, returns the one answer.</summary>
    Task<TResponse> CallAsync<TRequest, TResponse>(
        GrpcMethod<TRequest, TResponse> method, IAsyncEnumerable<TRequest> requests, CallOptions? options = null, CancellationToken cancellationToken = default)
        where TRequest : class, IMessage<TRequest>, new()
        where TResponse : class, IMessage<TResponse>, new();

    /// <summary>Server streaming: ends after the last message if the status is OK. Leaving the loop early cancels the call.</summary>
    IAsyncEnumerable<TResponse> StreamAsync<TRequest, TResponse>(
        GrpcMethod<TRequest, TResponse> method, TRequest request, CallOptions? options = null, CancellationToken cancellationToken = default)
        where TRequest : class, IMessage<TRequest>, new()
        where TResponse : class, IMessage<TResponse>, new();

    /// <summary>Both ways at once: requests are sent as they come while answers are read.</summary>
    IAsyncEnumerable<TResponse> StreamAsync<TRequest, TResponse>(
        GrpcMethod<TRequest, TResponse> method, IAsyncEnumerable<TRequest> requests, CallOptions? options = null, CancellationToken cancellationToken = default)
        where TRequest : class, IMessage<TRequest>, new()
        where TResponse : class, IMessage<TResponse>, new();

    /// <summary>Server streaming whose messages are read as bytes where they arrived (see <see cref="FrameReader"/>). Disposing it early cancels the call.</summary>
    Task<FrameReader> OpenRawAsync<TRequest, TResponse>(
        GrpcMethod<TRequest, TResponse> method, TRequest request, CallOptions? options = null, CancellationToken cancellationToken = default)
        where TRequest : class, IMessage<TRequest>, new()
        where TResponse : class, IMessage<TResponse>, new();
}
