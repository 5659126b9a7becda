// Messages on the control socket: 4 bytes of length, little endian, then the message. A length beyond the ceiling is a broken peer.
using System.Buffers;
using System.Buffers.Binary;
using Google.Protobuf;

namespace OpenMosix.Warden.Control;

internal static class Frames
{
    /// <summary>An image of a process with a hundred thousand mappings is below 16 MiB.</summary>
    internal const int MaximumBytes = 64 << 20;

    /// <summary>Null at the end of the stream.</summary>
    internal static async Task<T?> ReadAsync<T>(Stream stream, MessageParser<T> parser, CancellationToken cancel) where T : class, IMessage<T>
    {
        byte[] header = new byte[4];
        int got = await stream.ReadAtLeastAsync(header, 4, throwOnEndOfStream: false, cancel).ConfigureAwait(false);
        if (got == 0)
            return null;
        if (got < 4)
            throw new EndOfStreamException("the connection ended within a message");
        uint length = BinaryPrimitives.ReadUInt32LittleEndian(header);
        if (length > MaximumBytes)
            throw new InvalidDataException($"a message of {length} bytes; at most {MaximumBytes} are allowed");
        byte[] body = ArrayPool<byte>.Shared.Rent((int)length);
        try
        {
            await stream.ReadExactlyAsync(body.AsMemory(0, (int)length), cancel).ConfigureAwait(false);
            return parser.ParseFrom(body, 0, (int)length);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(body);
        }
    }

    internal static byte[] Write(IMessage message)
    {
        int length = message.CalculateSize();
        byte[] frame = new byte[4 + length];
        BinaryPrimitives.WriteUInt32LittleEndian(frame, (uint)length);
        message.WriteTo(frame.AsSpan(4));
        return frame;
    }
}
