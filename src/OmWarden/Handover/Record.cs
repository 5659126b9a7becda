// One message in a memfd that outlives this process. Written alternately to two places, each with number, length and checksum, so that a warden
// killed in the middle of a write leaves the message before.
using System.Buffers.Binary;
using System.Security.Cryptography;
using Google.Protobuf;
using Microsoft.Win32.SafeHandles;
using OpenMosix.Warden.Interop;

namespace OpenMosix.Warden.Handover;

internal sealed class Record<T> where T : class, IMessage<T>
{
    private const int PlaceBytes = 64 << 20; // sparse
    private const int HeaderBytes = 48;      // uint64 number, uint32 length, 4 unused, SHA-256
    private ulong number;

    internal Record(SafeFileHandle memfd) => Memfd = memfd;

    internal SafeFileHandle Memfd { get; }

    internal static Record<T> Create(string name) => new(Interop.Memfd.Create(name, 2L * PlaceBytes));

    internal void Write(T message)
    {
        byte[] bytes = new byte[HeaderBytes + message.CalculateSize()];
        number++;
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, number);
        BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(8), bytes.Length - HeaderBytes);
        message.WriteTo(bytes.AsSpan(HeaderBytes));
        SHA256.HashData(bytes.AsSpan(HeaderBytes), bytes.AsSpan(16, 32));
        RandomAccess.Write(Memfd, bytes, (long)(number & 1) * PlaceBytes);
    }

    internal T? Read(MessageParser<T> parser)
    {
        T? newest = null;
        byte[] header = new byte[HeaderBytes];
        for (int place = 0; place < 2; place++)
        {
            if (RandomAccess.Read(Memfd, header, (long)place * PlaceBytes) != HeaderBytes)
                continue;
            ulong written = BinaryPrimitives.ReadUInt64LittleEndian(header);
            int length = BinaryPrimitives.ReadInt32LittleEndian(header.AsSpan(8));
            if (written <= number || length is < 0 or > PlaceBytes - HeaderBytes)
                continue;
            byte[] body = new byte[length];
            if (RandomAccess.Read(Memfd, body, (long)place * PlaceBytes + HeaderBytes) != length || !SHA256.HashData(body).AsSpan().SequenceEqual(header.AsSpan(16, 32)))
                continue;
            number = written;
            newest = parser.ParseFrom(body);
        }
        return newest;
    }
}
