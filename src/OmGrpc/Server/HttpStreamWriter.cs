using Google.Protobuf;
using Microsoft.AspNetCore.Http;
using OpenMosix.Grpc.Wire;

namespace OpenMosix.Grpc.Server;

internal sealed class HttpStreamWriter<T>(HttpContext http, HttpServerCall call) : IStreamWriter<T>
    where T : IMessage<T>
{
    public async ValueTask WriteAsync(T message, CancellationToken cancellationToken = default)
    {
        call.SendHeaders();
        var output = http.Response.BodyWriter;
        MessageWriter.Write(output, message);
        var result = await output.FlushAsync(cancellationToken.CanBeCanceled ? cancellationToken : call.CancellationToken).ConfigureAwait(false);
        if (result.IsCompleted || result.IsCanceled)
        {
            throw new OperationCanceledException("The receiver has gone away.");
        }
    }
}
