using Microsoft.Win32.SafeHandles;
using OpenMosix.Checkpoint.Interop;
using OpenMosix.Protocol.Image;
using OpenMosix.Protocol.V1;

namespace OpenMosix.Checkpoint.Pages;

/// <summary>
/// Brings a file to what is in its memory elsewhere. Only what differs is written: a file that has not changed keeps its times, and its own holes.
/// </summary>
public static class FileContent
{
    private const int PieceBytes = 64 << 10;

    /// <summary>No page of it behind its end is ever written.</summary>
    /// <returns>0 or errno.</returns>
    public static int Write(SafeFileHandle file, long offset, ReadOnlySpan<byte> data)
    {
        var there = new byte[(int)ImageFormat.PageBytes];
        try
        {
            var size = RandomAccess.GetLength(file);
            while (!data.IsEmpty && offset < size)
            {
                var page = data[..(int)Math.Min(Math.Min(data.Length, there.Length - (offset % there.Length)), size - offset)];
                var got = Kernel.ReadSome(file, there.AsSpan(0, page.Length), offset);
                if (got < 0)
                {
                    return -got;
                }

                if (got != page.Length || !page.SequenceEqual(there.AsSpan(0, got)))
                {
                    RandomAccess.Write(file, page, offset);
                }

                offset += page.Length;
                data = data[page.Length..];
            }
        }
        catch (IOException)
        {
            return Errno.EIO;
        }

        return 0;
    }

    /// <summary>Zeros outside of the ranges.</summary>
    /// <param name="content">Ascending, apart.</param>
    /// <returns>0 or errno.</returns>
    internal static int ClearOutside(SafeFileHandle file, IEnumerable<FileRange> content)
    {
        long from = 0;
        try
        {
            var bytes = RandomAccess.GetLength(file);
            foreach (var range in content.Append(new FileRange { Offset = (ulong)bytes }))
            {
                if (Clear(file, from, Math.Min((long)range.Offset, bytes)) is not 0 and var error)
                {
                    return error;
                }

                from = (long)(range.Offset + range.Bytes);
            }
        }
        catch (IOException)
        {
            return Errno.EIO;
        }

        return 0;
    }

    /// <summary>Zeros from one offset to another.</summary>
    /// <returns>0 or errno.</returns>
    public static int Clear(SafeFileHandle file, long from, long to)
    {
        var piece = new byte[PieceBytes];
        while (from < to)
        {
            var data = Kernel.SeekData(file, from);
            if (data == -Errno.ENXIO || data >= to)
            {
                return 0;
            }

            if (data < 0)
            {
                return (int)-data;
            }

            var wanted = piece.AsSpan(0, (int)Math.Min(PieceBytes, to - data));
            var got = Kernel.ReadSome(file, wanted, data);
            if (got <= 0)
            {
                return -got;
            }

            if (wanted[..got].ContainsAnyExcept((byte)0))
            {
                wanted.Clear();
                RandomAccess.Write(file, wanted[..got], data);
            }

            from = data + got;
        }

        return 0;
    }
}
