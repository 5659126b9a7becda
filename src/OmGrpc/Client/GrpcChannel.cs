using System.IO.Pipelines;
using System.Net;
using System.Net.Http.Headers;
using System.Net.Security;
using System.Net.Sockets;
using System.Runtime.CompilerServices;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using Google.Protobuf;
using OpenMosix.Grpc.Client;
using OpenMosix.Grpc.Wire;

namespace OpenMosix.Grpc;

/// <summary>gRPC over HttpClient's HTTP/2.</summary>
public sealed class GrpcChannel : IGrpcChannel
{
    private readonly HttpMessageInvoker _http;
    // Raw streams have connections of their own: no gossip waits behind a gigabyte of pages, and TLS is spread over cores.
    private readonly Lazy<HttpMessageInvoker>[] _bulk;
    private readonly Uri _address;
    private readonly TimeProvider _time;
    private uint _nextBulk;

    private GrpcChannel(Func<SocketsHttpHandler> handler, Uri address, TimeProvider? time)
    {
        _http = Invoker(handler());
        _bulk = [.. Enumerable.Range(0, BulkConnections).Select(_ => new Lazy<HttpMessageInvoker>(() => Invoker(handler())))];
        _address = address;
        _time = time ?? TimeProvider.System;
    }

    /// <summary>So many raw streams of one channel go over different connections.</summary>
    public static int BulkConnections { get; } = Math.Clamp(Environment.ProcessorCount / 2, 1, 4);

    /// <summary>Ceiling of one received message.</summary>
    public int MaxReceiveMessageBytes { get; init; } = MessageLimits.DefaultReceiveBytes;

    /// <summary>To a node, over TLS 1.3; <paramref name="target"/> says whom to trust and what to show.</summary>
    public static GrpcChannel ForTls(string host, int port, TlsTarget target, TimeProvider? time = null)
    {
        SocketsHttpHandler Handler() => new()
        {
            SslOptions = new SslClientAuthenticationOptions
            {
                EnabledSslProtocols = SslProtocols.Tls13,
                ClientCertificateContext = target.Identity?.Context,
                CertificateRevocationCheckMode = X509RevocationMode.NoCheck,
                RemoteCertificateValidationCallback = (_, certificate, _, _) => ServerTrust.Check(target, certificate),
            },
        };
        return new GrpcChannel(Handler, new UriBuilder(Uri.UriSchemeHttps, host, port).Uri, time);
    }

    /// <summary>To a server of this machine, over its Unix socket, without TLS.</summary>
    public static GrpcChannel ForUnixSocket(string path, TimeProvider? time = null)
    {
        SocketsHttpHandler Handler() => new() { ConnectCallback = (_, cancellationToken) => ConnectAsync(path, cancellationToken) };
        return new GrpcChannel(Handler, new Uri("http://localhost"), time);
    }

    public async Task<TResponse> CallAsync<TRequest, TResponse>(
        GrpcMethod<TRequest, TResponse> method, TRequest request, CallOptions? options = null, CancellationToken cancellationToken = default)
        where TRequest : class, IMessage<TRequest>, new()
        where TResponse : class, IMessage<TResponse>, new()
    {
        method.MustBe(MethodKind.Unary);
        return await OneAnswerAsync(method, Content(request), options, cancellationToken).ConfigureAwait(false);
    }

    public async Task<TResponse> CallAsync<TRequest, TResponse>(
        GrpcMethod<TRequest, TResponse> method, IAsyncEnumerable<TRequest> requests, CallOptions? options = null, CancellationToken cancellationToken = default)
        where TRequest : class, IMessage<TRequest>, new()
        where TResponse : class, IMessage<TResponse>, new()
    {
        method.MustBe(MethodKind.ClientStreaming);
        return await OneAnswerAsync(method, new RequestContent<TRequest>(requests, cancellationToken), options, cancellationToken).ConfigureAwait(false);
    }

    public IAsyncEnumerable<TResponse> StreamAsync<TRequest, TResponse>(
        GrpcMethod<TRequest, TResponse> method, TRequest request, CallOptions? options = null, CancellationToken cancellationToken = default)
        where TRequest : class, IMessage<TRequest>, new()
        where TResponse : class, IMessage<TResponse>, new()
    {
        method.MustBe(MethodKind.ServerStreaming);
        return AnswersAsync(method, () => Content(request), options, cancellationToken);
    }

    public IAsyncEnumerable<TResponse> StreamAsync<TRequest, TResponse>(
        GrpcMethod<TRequest, TResponse> method, IAsyncEnumerable<TRequest> requests, CallOptions? options = null, CancellationToken cancellationToken = default)
        where TRequest : class, IMessage<TRequest>, new()
        where TResponse : class, IMessage<TResponse>, new()
    {
        method.MustBe(MethodKind.Duplex);
        return AnswersAsync(method, () => new RequestContent<TRequest>(requests, cancellationToken), options, cancellationToken);
    }

    public async Task<FrameReader> OpenRawAsync<TRequest, TResponse>(
        GrpcMethod<TRequest, TResponse> method, TRequest request, CallOptions? options = null, CancellationToken cancellationToken = default)
        where TRequest : class, IMessage<TRequest>, new()
        where TResponse : class, IMessage<TResponse>, new()
    {
        method.MustBe(MethodKind.ServerStreaming);
        var http = _bulk[Interlocked.Increment(ref _nextBulk) % _bulk.Length].Value;
        return new FrameReader(await StartAsync(http, method.Path, Content(request), options, cancellationToken).ConfigureAwait(false), MaxReceiveMessageBytes);
    }

    public void Dispose()
    {
        _http.Dispose();
        foreach (var bulk in _bulk.Where(bulk => bulk.IsValueCreated))
        {
            bulk.Value.Dispose();
        }
    }

    private static HttpMessageInvoker Invoker(SocketsHttpHandler handler)
    {
        handler.UseProxy = false;
        handler.UseCookies = false;
        handler.AllowAutoRedirect = false;
        handler.AutomaticDecompression = DecompressionMethods.None;
        handler.ConnectTimeout = TimeSpan.FromSeconds(10);
        handler.PooledConnectionIdleTimeout = TimeSpan.FromMinutes(2);
        // A peer that has vanished without a word: its calls fail within half a minute. The handler wakes in a quarter of the shorter of the two,
        // also when nothing is under way.
        handler.KeepAlivePingPolicy = HttpKeepAlivePingPolicy.WithActiveRequests;
        handler.KeepAlivePingDelay = TimeSpan.FromSeconds(15);
        handler.KeepAlivePingTimeout = TimeSpan.FromSeconds(15);
        return new HttpMessageInvoker(handler);
    }

    private static async ValueTask<Stream> ConnectAsync(string path, CancellationToken cancellationToken)
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            await socket.ConnectAsync(new UnixDomainSocketEndPoint(path), cancellationToken).ConfigureAwait(false);
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    private static ByteArrayContent Content(IMessage request)
    {
        var content = new ByteArrayContent(MessageWriter.ToFrame(request));
        content.Headers.ContentType = new MediaTypeHeaderValue("application/grpc");
        return content;
    }

    private Task<ClientCall> StartAsync(
        HttpMessageInvoker http, string path, HttpContent content, CallOptions? options, CancellationToken cancellationToken) =>
        ClientCall.StartAsync(http, _address, path, content, options ?? CallOptions.Default, _time, cancellationToken);

    private async Task<TResponse> OneAnswerAsync<TRequest, TResponse>(
        GrpcMethod<TRequest, TResponse> method, HttpContent content, CallOptions? options, CancellationToken cancellationToken)
        where TRequest : class, IMessage<TRequest>, new()
        where TResponse : class, IMessage<TResponse>, new()
    {
        TResponse? answer = null;
        await foreach (var message in AnswersAsync(method, () => content, options, cancellationToken).ConfigureAwait(false))
        {
            answer = answer is null ? message : throw new RpcException(StatusCode.Internal, $"{method} was answered more than once.");
        }

        return answer ?? throw new RpcException(StatusCode.Internal, $"{method} ended with OK and without an answer.");
    }

    private async IAsyncEnumerable<TResponse> AnswersAsync<TRequest, TResponse>(
        GrpcMethod<TRequest, TResponse> method, Func<HttpContent> content, CallOptions? options, [EnumeratorCancellation] CancellationToken cancellationToken)
        where TRequest : class, IMessage<TRequest>, new()
        where TResponse : class, IMessage<TResponse>, new()
    {
        await using var call = await StartAsync(_http, method.Path, content(), options, cancellationToken).ConfigureAwait(false);
        var reader = PipeReader.Create(call.Body, new StreamPipeReaderOptions(leaveOpen: true));
        while (true)
        {
            TResponse? message;
            try
            {
                message = await MessageReader.ReadAsync(reader, method.ResponseParser, MaxReceiveMessageBytes, call.Token).ConfigureAwait(false);
                if (message is null)
                {
                    call.Finish();
                    break;
                }
            }
            catch (Exception failure)
            {
                throw call.Translate(failure);
            }

            yield return message;
        }

        await reader.CompleteAsync().ConfigureAwait(false);
    }
}
