// What bodies here have written to files of their home, on its way there.
using System.Buffers.Binary;
using Microsoft.Extensions.Logging;
using Microsoft.Win32.SafeHandles;
using OpenMosix.Checkpoint.Pages;
using OpenMosix.Protocol.V1;
using OpenMosix.Warden.Structure;

namespace OpenMosix.Warden.Held;

internal sealed partial class GuestProcess
{
    private const int PieceBytes = 256 << 10;

    /// <summary>It ends: what no other body of the cell has mapped goes home, and is home's again.</summary>
    internal void WriteBackLast(uint slot) => WriteBackAll(slot, cell!.Written.LeftBy(this, cell.Bodies));

    /// <summary>It executes another program, if that can be done: then its part in them is over, at home as well.</summary>
    internal void WriteBackLeaving(uint slot)
    {
        foreach (MappedFile file in cell!.Written.LeftBy(this, cell.Bodies))
            WriteBack(slot, file, 0, long.MaxValue);
    }

    /// <summary>It could not.</summary>
    internal void StaysHere() => cell!.Written.Stays(this);

    /// <summary>What no body has mapped any more; no image will have it.</summary>
    private void WriteBackUnmapped() => WriteBackAll(Threads.All.First().Slot, cell!.Written.LeftBy(null, cell.Bodies));

    private void WriteBackAll(uint slot, IReadOnlyList<MappedFile> files)
    {
        foreach (MappedFile file in files)
        {
            if (WriteBack(slot, file, 0, long.MaxValue))
                _ = Ask(HomeRequest.GiveUpFile, HomeRequest.Words(slot, file.Device, file.Inode));
            cell!.Written.Drop(file);
        }
    }

    /// <summary>A part of it. False: home did not take it, or is not heard.</summary>
    internal bool WriteBack(uint slot, MappedFile file, long from, long to)
    {
        using SafeFileHandle? memory = cell!.Written.Open(file.Device, file.Inode);
        if (memory is null)
            return true; // somebody was faster
        byte[] room = new byte[PieceBytes];
        foreach ((long offset, long bytes, bool zeros) in MemoryFiles.Pieces(memory, PieceBytes))
        {
            long start = Math.Max(from, offset), end = Math.Min(to, offset + bytes);
            if (start >= end)
                continue;
            int got = zeros ? 0 : RandomAccess.Read(memory, room.AsSpan(0, (int)(end - start)), start);
            if (Ask(HomeRequest.WriteBack, Piece(slot, file, start, zeros ? end - start : got, room.AsSpan(0, got))) is not 0 and var errno)
            {
                LogNotWritten(Key, file.Path, errno);
                return false;
            }
        }
        return true;
    }

    private static byte[] Piece(uint slot, MappedFile file, long offset, long bytes, ReadOnlySpan<byte> data) =>
        [.. HomeRequest.Words(slot, file.Device, file.Inode, (ulong)offset, (ulong)bytes), .. data];

    /// <summary>0 or errno.</summary>
    private int Ask(uint kind, byte[] request) => remote!.Ask(kind, request, out int errno) is { Length: sizeof(long) } reply
        ? (int)-BinaryPrimitives.ReadInt64LittleEndian(reply)
        : Math.Max(errno, 1);

    [LoggerMessage(EventId = 340, Level = LogLevel.Error, Message = "key {Key:x16}: what was written to {File} has not come home: errno {Errno}")]
    private partial void LogNotWritten(ulong key, string file, int errno);
}
