using System.Buffers.Binary;

namespace OpenMosix.Grpc.Wire;

/// <summary>The five bytes before each message: compressed or not, and its length, big endian.</summary>
internal static class FramePrefix
{
    public const int Bytes = 5;

    public static void Write(Span<byte> prefix, int messageBytes)
    {
        prefix[0] = 0;
        BinaryPrimitives.WriteUInt32BigEndian(prefix[1..], (uint)messageBytes);
    }

    /// <returns>The length of the message, which is within the ceiling.</returns>
    /// <exception cref="RpcException">Compressed, or longer than the ceiling.</exception>
    public static int Read(ReadOnlySpan<byte> prefix, int ceilingBytes)
    {
        if (prefix[0] != 0)
        {
            throw prefix[0] == 1
                ? new RpcException(StatusCode.Unimplemented, "Compressed messages are not understood here; grpc-accept-encoding says identity.")
                : new RpcException(StatusCode.Internal, $"A message begins with {prefix[0]}, which is neither compressed nor identity.");
        }

        var length = BinaryPrimitives.ReadUInt32BigEndian(prefix[1..]);
        if (length > (uint)ceilingBytes)
        {
            throw new RpcException(StatusCode.ResourceExhausted, $"A message of {length} bytes is above the ceiling of {ceilingBytes}.");
        }

        return (int)length;
    }
}
