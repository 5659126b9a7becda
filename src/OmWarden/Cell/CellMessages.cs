// native/cell/om_cell.h, the warden's side. Sizes and offsets are asserted there.
using System.Buffers.Binary;
using System.Text;

namespace OpenMosix.Warden.Cell;

internal enum CellOperation : uint
{
    Start = 1,
    Spawn = 2,
    End = 3,
    NextTid = 4,
    Unshared = 16,
    Ready = 17,
    Born = 18,
    Spawned = 19,
    Exited = 20,
    Failed = 21,
    Next = 22,
}

internal readonly record struct CellReport(CellOperation Operation, int Pid, int Status, int Error, string Where)
{
    internal const int Bytes = 48;

    internal static CellReport Read(ReadOnlySpan<byte> message)
    {
        ReadOnlySpan<byte> where = message.Slice(16, 32);
        int end = where.IndexOf((byte)0);
        return new((CellOperation)BinaryPrimitives.ReadUInt32LittleEndian(message),
            BinaryPrimitives.ReadInt32LittleEndian(message[4..]),
            BinaryPrimitives.ReadInt32LittleEndian(message[8..]),
            BinaryPrimitives.ReadInt32LittleEndian(message[12..]),
            Encoding.UTF8.GetString(end < 0 ? where : where[..end]));
    }
}

internal static class CellMessages
{
    internal static byte[] Start(uint cpus, long monotonicNs, long boottimeNs, string hostname)
    {
        byte[] message = new byte[96];
        BinaryPrimitives.WriteUInt32LittleEndian(message, (uint)CellOperation.Start);
        BinaryPrimitives.WriteUInt32LittleEndian(message.AsSpan(4), cpus);
        BinaryPrimitives.WriteInt64LittleEndian(message.AsSpan(8), monotonicNs);
        BinaryPrimitives.WriteInt64LittleEndian(message.AsSpan(16), boottimeNs);
        byte[] name = Encoding.UTF8.GetBytes(hostname);
        name.AsSpan(0, Math.Min(name.Length, 64)).CopyTo(message.AsSpan(24));
        return message;
    }

    internal static byte[] Spawn(int pid) => About(CellOperation.Spawn, pid);

    internal static byte[] NextTid(int tid) => About(CellOperation.NextTid, tid);

    private static byte[] About(CellOperation operation, int pid)
    {
        byte[] message = new byte[8];
        BinaryPrimitives.WriteUInt32LittleEndian(message, (uint)operation);
        BinaryPrimitives.WriteInt32LittleEndian(message.AsSpan(4), pid);
        return message;
    }
}
