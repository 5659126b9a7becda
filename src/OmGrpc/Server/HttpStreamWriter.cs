using Google.Protobuf;
using Microsoft.AspNetCore.Http;
using OpenMosix.Grpc.Wire;

namespace OpenMosix.Grpc.Server;

internal sealed class HttpStreamWriter<T>(HttpContext http, HttpServerCall call) : IStreamWriter<T>
    where T : IMessage<T>
{
    public ValueTask WriteAsync(T message, CancellationToken cancellationToken = default)
    {
        call.SendHeaders();
        var output = http.Response.BodyWriter;
        MessageWriter.Write(output, message);
        return ResponseFlush.FlushAsync(output, cancellationToken.CanBeCanceled ? cancellationToken : call.CancellationToken);
    }
}
