using System.Collections.Concurrent;
using System.Threading.Channels;
using Google.Protobuf;
using OpenMosix.Daemon.Cluster;
using OpenMosix.Daemon.Migration;
using OpenMosix.Grpc;
using OpenMosix.Protocol.V1;

namespace OpenMosix.Daemon.Tests.Fakes;

/// <summary>Ways to nodes that say what they hold, and note what they are told to do with it.</summary>
internal sealed class FakeChannels : IPeerChannels
{
    private readonly Channel<string> _asked = Channel.CreateUnbounded<string>();

    /// <summary>By node.</summary>
    public ConcurrentDictionary<string, HeldReply> Held { get; } = new();

    /// <summary>Thaw, Abort, Discard: on which node, of which key.</summary>
    public ConcurrentQueue<(string Node, string Order, ulong Key)> Orders { get; } = new();

    public IGrpcChannel? For(string node) => Held.ContainsKey(node) ? new To(this, node) : null;

    /// <summary>Until a node has been asked what it holds.</summary>
    public ValueTask<string> AskedAsync(CancellationToken cancellationToken) => _asked.Reader.ReadAsync(cancellationToken);

    private IMessage Answer(string node, string method, IMessage request)
    {
        if (method == MigrationCalls.Held.Name)
        {
            Assert.True(_asked.Writer.TryWrite(node));
            return Held[node].Clone();
        }
        Orders.Enqueue((node, method, Assert.IsType<KeyRequest>(request).Key));
        return new MoveReply();
    }

    private sealed class To(FakeChannels all, string node) : IGrpcChannel
    {
        public Task<TResponse> CallAsync<TRequest, TResponse>(
            GrpcMethod<TRequest, TResponse> method, TRequest request, CallOptions? options = null, CancellationToken cancellationToken = default)
            where TRequest : class, IMessage<TRequest>, new()
            where TResponse : class, IMessage<TResponse>, new() => Task.FromResult((TResponse)all.Answer(node, method.Name, request));

        public Task<TResponse> CallAsync<TRequest, TResponse>(
            GrpcMethod<TRequest, TResponse> method, IAsyncEnumerable<TRequest> requests, CallOptions? options = null, CancellationToken cancellationToken = default)
            where TRequest : class, IMessage<TRequest>, new()
            where TResponse : class, IMessage<TResponse>, new() => throw new NotSupportedException();

        public IAsyncEnumerable<TResponse> StreamAsync<TRequest, TResponse>(
            GrpcMethod<TRequest, TResponse> method, TRequest request, CallOptions? options = null, CancellationToken cancellationToken = default)
            where TRequest : class, IMessage<TRequest>, new()
            where TResponse : class, IMessage<TResponse>, new() => throw new NotSupportedException();

        public IAsyncEnumerable<TResponse> StreamAsync<TRequest, TResponse>(
            GrpcMethod<TRequest, TResponse> method, IAsyncEnumerable<TRequest> requests, CallOptions? options = null, CancellationToken cancellationToken = default)
            where TRequest : class, IMessage<TRequest>, new()
            where TResponse : class, IMessage<TResponse>, new() => throw new NotSupportedException();

        public Task<FrameReader> OpenRawAsync<TRequest, TResponse>(
            GrpcMethod<TRequest, TResponse> method, TRequest request, CallOptions? options = null, CancellationToken cancellationToken = default)
            where TRequest : class, IMessage<TRequest>, new()
            where TResponse : class, IMessage<TResponse>, new() => throw new NotSupportedException();

        public void Dispose()
        {
        }
    }
}
