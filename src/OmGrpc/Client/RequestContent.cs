using System.Net;
using System.Net.Http.Headers;
using Google.Protobuf;
using OpenMosix.Grpc.Wire;

namespace OpenMosix.Grpc.Client;

/// <summary>The requests of a stream, sent as they come. Headers leave at once, so that the server can begin.</summary>
internal sealed class RequestContent<T> : HttpContent
    where T : IMessage<T>
{
    private readonly IAsyncEnumerable<T> _requests;
    private readonly CancellationToken _cancellation;

    public RequestContent(IAsyncEnumerable<T> requests, CancellationToken cancellation)
    {
        _requests = requests;
        _cancellation = cancellation;
        Headers.ContentType = new MediaTypeHeaderValue("application/grpc");
    }

    protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context) => SerializeToStreamAsync(stream, context, _cancellation);

    protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context, CancellationToken cancellationToken)
    {
        await stream.FlushAsync(cancellationToken).ConfigureAwait(false);
        await foreach (var request in _requests.WithCancellation(cancellationToken).ConfigureAwait(false))
        {
            await stream.WriteAsync(MessageWriter.ToFrame(request), cancellationToken).ConfigureAwait(false);
            await stream.FlushAsync(cancellationToken).ConfigureAwait(false);
        }
    }

    protected override bool TryComputeLength(out long length)
    {
        length = -1;
        return false;
    }
}
