using System.Globalization;
using System.Net;
using OpenMosix.Grpc.Wire;

namespace OpenMosix.Grpc.Client;

/// <summary>One call in progress: the HTTP/2 stream, its deadline, and its end translated into a status. For one reader at a time.</summary>
internal sealed class ClientCall : IAsyncDisposable
{
    private readonly HttpMessageInvoker _http;
    private readonly CancellationToken _callers;
    private readonly CancellationTokenSource? _deadline;
    private readonly CancellationTokenSource _cancellation;
    private HttpResponseMessage? _response;

    private ClientCall(HttpMessageInvoker http, TimeSpan? timeout, TimeProvider time, CancellationToken callers)
    {
        _http = http;
        _callers = callers;
        _deadline = timeout is { } limit ? new CancellationTokenSource(limit > TimeSpan.Zero ? limit : TimeSpan.Zero, time) : null;
        _cancellation = CancellationTokenSource.CreateLinkedTokenSource(callers, _deadline?.Token ?? default);
    }

    public Stream Body { get; private set; } = Stream.Null;

    public CancellationToken Token => _cancellation.Token;

    public static async Task<ClientCall> StartAsync(
        HttpMessageInvoker http, Uri address, string path, HttpContent content, CallOptions options, TimeProvider time, CancellationToken callers)
    {
        var call = new ClientCall(http, options.Timeout, time, callers);
        try
        {
            await call.SendAsync(Request(address, path, content, options)).ConfigureAwait(false);
            return call;
        }
        catch (Exception failure)
        {
            await call.DisposeAsync().ConfigureAwait(false);
            throw call.Translate(failure);
        }
    }

    /// <summary>To be called at the end of the body: throws unless the status is OK.</summary>
    public void Finish()
    {
        var status = ReceivedStatus(_response!.TrailingHeaders) ?? ReceivedStatus(_response.Headers)
            ?? new Status(StatusCode.Internal, "The server ended the stream without a status.");
        if (status.Code != StatusCode.OK)
        {
            throw new RpcException(status, Metadata.Received(_response.TrailingHeaders.Concat(_response.Headers).Select(
                header => new KeyValuePair<string, IEnumerable<string?>>(header.Key, header.Value))));
        }
    }

    /// <summary>What a failure in the middle means to the caller.</summary>
    public Exception Translate(Exception failure)
    {
        switch (failure)
        {
            case RpcException:
                return failure;
            case OperationCanceledException when _callers.IsCancellationRequested:
                return new OperationCanceledException("The call was cancelled.", failure, _callers);
            case not null when _deadline?.IsCancellationRequested == true:
                return new RpcException(StatusCode.DeadlineExceeded, "The deadline passed.", failure);
        }

        for (var cause = failure; cause is not null; cause = cause.InnerException)
        {
            if (cause is HttpProtocolException protocol)
            {
                return new RpcException(OfHttp2Error(protocol.ErrorCode), protocol.Message, failure);
            }
        }

        return failure is HttpRequestException or IOException
            ? new RpcException(StatusCode.Unavailable, Innermost(failure).Message, failure)
            : failure ?? new RpcException(StatusCode.Unknown, "");
    }

    public ValueTask DisposeAsync()
    {
        // An unfinished stream is reset by this, which is how the server learns of the cancellation.
        _response?.Dispose();
        _cancellation.Dispose();
        _deadline?.Dispose();
        return ValueTask.CompletedTask;
    }

    private static HttpRequestMessage Request(Uri address, string path, HttpContent content, CallOptions options)
    {
        var request = new HttpRequestMessage(HttpMethod.Post, new Uri(address, path))
        {
            Version = HttpVersion.Version20,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
            Content = content,
        };
        request.Headers.TryAddWithoutValidation("te", "trailers");
        request.Headers.TryAddWithoutValidation("grpc-accept-encoding", "identity");
        if (options.Timeout is { } timeout)
        {
            request.Headers.TryAddWithoutValidation("grpc-timeout", GrpcTimeout.Format(timeout));
        }

        foreach (var (name, value) in options.Headers ?? [])
        {
            request.Headers.TryAddWithoutValidation(name, value);
        }

        return request;
    }

    private async Task SendAsync(HttpRequestMessage request)
    {
        _response = await _http.SendAsync(request, Token).ConfigureAwait(false);
        if (_response.StatusCode != HttpStatusCode.OK)
        {
            throw new RpcException(OfHttpStatus(_response.StatusCode), $"The server answered HTTP {(int)_response.StatusCode}.");
        }

        if (_response.Content.Headers.ContentType?.MediaType?.StartsWith("application/grpc", StringComparison.OrdinalIgnoreCase) != true)
        {
            throw new RpcException(StatusCode.Unknown, "The server does not speak gRPC.");
        }

        if (ReceivedStatus(_response.Headers) is { Code: not StatusCode.OK })
        {
            Finish();
        }

        Body = await _response.Content.ReadAsStreamAsync(Token).ConfigureAwait(false);
    }

    private static Status? ReceivedStatus(System.Net.Http.Headers.HttpResponseHeaders headers)
    {
        if (!headers.TryGetValues("grpc-status", out var codes))
        {
            return null;
        }

        var detail = headers.TryGetValues("grpc-message", out var messages) ? PercentEncoding.Decode(string.Concat(messages)) : "";
        return int.TryParse(codes.First(), NumberStyles.None, CultureInfo.InvariantCulture, out var code) && Enum.IsDefined((StatusCode)code)
            ? new Status((StatusCode)code, detail)
            : new Status(StatusCode.Unknown, detail);
    }

    private static StatusCode OfHttpStatus(HttpStatusCode status) => status switch
    {
        HttpStatusCode.BadRequest => StatusCode.Internal,
        HttpStatusCode.Unauthorized => StatusCode.Unauthenticated,
        HttpStatusCode.Forbidden => StatusCode.PermissionDenied,
        HttpStatusCode.NotFound => StatusCode.Unimplemented,
        HttpStatusCode.TooManyRequests or HttpStatusCode.BadGateway or HttpStatusCode.ServiceUnavailable or HttpStatusCode.GatewayTimeout
            => StatusCode.Unavailable,
        _ => StatusCode.Unknown,
    };

    // RFC 9113, section 7, as gRPC's specification maps it.
    private static StatusCode OfHttp2Error(long error) => error switch
    {
        0x7 => StatusCode.Unavailable, // REFUSED_STREAM
        0x8 => StatusCode.Cancelled,
        0xb => StatusCode.ResourceExhausted, // ENHANCE_YOUR_CALM
        0xc => StatusCode.PermissionDenied, // INADEQUATE_SECURITY
        _ => StatusCode.Internal,
    };

    private static Exception Innermost(Exception exception)
    {
        while (exception.InnerException is { } inner)
        {
            exception = inner;
        }

        return exception;
    }
}
