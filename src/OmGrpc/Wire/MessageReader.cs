using System.Buffers;
using System.IO.Pipelines;
using Google.Protobuf;

namespace OpenMosix.Grpc.Wire;

/// <summary>Takes whole messages out of a pipe. Bytes beyond the message in progress are never asked for by length alone: the ceiling comes first.</summary>
internal static class MessageReader
{
    /// <returns>Null at the end of the stream.</returns>
    /// <exception cref="RpcException">Too long, compressed, malformed, or cut off.</exception>
    public static async ValueTask<T?> ReadAsync<T>(PipeReader reader, MessageParser<T> parser, int ceilingBytes, CancellationToken cancellationToken)
        where T : class, IMessage<T>
    {
        while (true)
        {
            var result = await reader.ReadAsync(cancellationToken).ConfigureAwait(false);
            if (result.IsCanceled)
            {
                throw new OperationCanceledException(cancellationToken);
            }

            var buffer = result.Buffer;
            if (TryTake(ref buffer, parser, ceilingBytes, out var message))
            {
                reader.AdvanceTo(buffer.Start);
                return message;
            }

            reader.AdvanceTo(buffer.Start, buffer.End);
            if (result.IsCompleted)
            {
                return buffer.IsEmpty ? null : throw new RpcException(StatusCode.Internal, "The stream ended inside a message.");
            }
        }
    }

    private static bool TryTake<T>(ref ReadOnlySequence<byte> buffer, MessageParser<T> parser, int ceilingBytes, out T? message)
        where T : class, IMessage<T>
    {
        message = null;
        if (buffer.Length < FramePrefix.Bytes)
        {
            return false;
        }

        Span<byte> prefix = stackalloc byte[FramePrefix.Bytes];
        buffer.Slice(0, FramePrefix.Bytes).CopyTo(prefix);
        var length = FramePrefix.Read(prefix, ceilingBytes);
        if (buffer.Length < FramePrefix.Bytes + length)
        {
            return false;
        }

        try
        {
            message = parser.ParseFrom(buffer.Slice(FramePrefix.Bytes, length));
        }
        catch (InvalidProtocolBufferException malformed)
        {
            throw new RpcException(StatusCode.Internal, $"A message is malformed: {malformed.Message}", malformed);
        }

        buffer = buffer.Slice(FramePrefix.Bytes + length);
        return true;
    }
}
