// What a hosting warden asks of home's beyond plain calls (om_remote_ask → home_structural). Little endian, fixed layout; the peer is
// authenticated but not trusted: lengths are checked where they are read.
using System.Buffers.Binary;

namespace OpenMosix.Warden.Structure;

internal static class HomeRequest
{
    /// <summary>int32 signal: the body died of it.</summary>
    internal const uint Signalled = 1;
    /// <summary>int32 status: the body called exit_group.</summary>
    internal const uint Exit = 2;
    /// <summary>int32 signal, int32 disposition, uint64 flags: the body's disposition has another class now.</summary>
    internal const uint Disposition = 3;
    /// <summary>ExecuteRequest.</summary>
    internal const uint Execute = 4;

    internal static byte[] Number(int value)
    {
        byte[] bytes = new byte[4];
        BinaryPrimitives.WriteInt32LittleEndian(bytes, value);
        return bytes;
    }

    internal static byte[] Result(long value)
    {
        byte[] bytes = new byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(bytes, value);
        return bytes;
    }
}
