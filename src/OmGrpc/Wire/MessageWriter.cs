using System.Buffers;
using Google.Protobuf;

namespace OpenMosix.Grpc.Wire;

internal static class MessageWriter
{
    public static void Write(IBufferWriter<byte> output, IMessage message)
    {
        var length = message.CalculateSize();
        FramePrefix.Write(output.GetSpan(FramePrefix.Bytes), length);
        output.Advance(FramePrefix.Bytes);
        message.WriteTo(output);
    }

    public static byte[] ToFrame(IMessage message)
    {
        var length = message.CalculateSize();
        var frame = new byte[FramePrefix.Bytes + length];
        FramePrefix.Write(frame, length);
        message.WriteTo(frame.AsSpan(FramePrefix.Bytes));
        return frame;
    }
}
