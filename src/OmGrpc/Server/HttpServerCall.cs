using System.Net;
using Microsoft.AspNetCore.Http;
using OpenMosix.Grpc.Wire;

namespace OpenMosix.Grpc.Server;

/// <summary>A call on its HTTP/2 stream. Lives as long as the request; the deadline's timer ends with it.</summary>
internal sealed class HttpServerCall : ServerCall, IDisposable
{
    private readonly HttpContext _http;
    private readonly CancellationTokenSource _cancellation;
    private readonly TimeSpan? _timeout;
    private readonly CancellationTokenSource? _deadline;

    private HttpServerCall(HttpContext http, TimeSpan? timeout, int ceilingBytes, TimeProvider time, CancellationToken stopping)
    {
        _http = http;
        _timeout = timeout;
        CeilingBytes = ceilingBytes;
        if (timeout is { } limit && limit <= LongestTimer)
        {
            Deadline = time.GetUtcNow() + limit;
            _deadline = new CancellationTokenSource(limit, time);
        }

        _cancellation = CancellationTokenSource.CreateLinkedTokenSource(http.RequestAborted, stopping, _deadline?.Token ?? default);
        PeerNode = Peer.Node(http);
        UnixPeer = http.Features.Get<UnixPeer>();
    }

    // CancellationTokenSource takes no longer delay (49 days); nobody waits for it either.
    private static TimeSpan LongestTimer { get; } = TimeSpan.FromMilliseconds(uint.MaxValue - 1);

    public override string Method => _http.Request.Path.Value ?? "";

    public override string? PeerNode { get; }

    public override UnixPeer? UnixPeer { get; }

    public override EndPoint? RemoteEndPoint =>
        _http.Connection.RemoteIpAddress is { } address ? new IPEndPoint(address, _http.Connection.RemotePort) : null;

    public override Metadata RequestHeaders => field ??=
        Metadata.Received(_http.Request.Headers.Select(header => new KeyValuePair<string, IEnumerable<string?>>(header.Key, header.Value)));

    public override Metadata ResponseHeaders { get; } = [];

    public override Metadata ResponseTrailers { get; } = [];

    public override DateTimeOffset? Deadline { get; }

    public override CancellationToken CancellationToken => _cancellation.Token;

    /// <summary>Of a received message.</summary>
    public int CeilingBytes { get; }

    public bool DeadlinePassed => _deadline?.IsCancellationRequested == true || _timeout == TimeSpan.Zero;

    /// <exception cref="RpcException">The grpc-timeout header is malformed.</exception>
    public static HttpServerCall Begin(HttpContext http, CallLimits limits, TimeProvider time, CancellationToken stopping)
    {
        TimeSpan? timeout = null;
        if (http.Request.Headers.TryGetValue("grpc-timeout", out var header))
        {
            timeout = GrpcTimeout.TryParse(header.ToString(), out var parsed)
                ? parsed
                : throw new RpcException(StatusCode.Internal, $"grpc-timeout '{header}' is malformed.");
        }

        timeout = timeout is { } asked && !(asked > limits.LongestTimeout) ? asked : limits.LongestTimeout ?? timeout;
        return new HttpServerCall(http, timeout, limits.MessageBytes, time, stopping);
    }

    /// <summary>Puts the metadata where it will be sent; before the first byte of the body.</summary>
    public void SendHeaders()
    {
        if (_http.Response.HasStarted)
        {
            return;
        }

        foreach (var (name, value) in ResponseHeaders)
        {
            _http.Response.Headers.Append(name, value);
        }
    }

    public void Dispose()
    {
        _cancellation.Dispose();
        _deadline?.Dispose();
    }
}
