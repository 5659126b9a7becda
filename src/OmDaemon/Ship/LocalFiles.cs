using OpenMosix.Checkpoint.Pages;
using OpenMosix.Protocol.V1;

namespace OpenMosix.Daemon.Ship;

/// <summary>Files of an image that this node has itself: their pages need not be sent.</summary>
internal static class LocalFiles
{
    private const int PieceBytes = 1 << 20;

    /// <summary>Fills what it can.</summary>
    /// <returns>The indices, in image.Files, of the files that are whole.</returns>
    public static HashSet<int> Fill(ProcessImage image, WardenRestoring restoring, PageDestination destination)
    {
        var filled = new HashSet<int>();
        for (var i = 0; i < image.Files.Count; i++)
        {
            if (restoring.FileBase[i] != 0 && TryFill(image.Files[i], (uint)i + 1, destination))
                filled.Add(i);
        }

        return filled;
    }

    private static bool TryFill(MappedFile wanted, uint file, PageDestination destination)
    {
        using var source = FileContents.OpenSame(wanted);
        if (source is null)
            return false;
        var piece = GC.AllocateUninitializedArray<byte>(PieceBytes);
        foreach (FileRange range in wanted.Ranges)
        {
            for (ulong done = 0; done < range.Bytes;)
            {
                var got = RandomAccess.Read(source, piece.AsSpan(0, (int)Math.Min((ulong)PieceBytes, range.Bytes - done)), (long)(range.Offset + done));
                if (got == 0)
                    break; // behind its end it is blank already
                if (!destination.Write(file, range.Offset + done, piece.AsSpan(0, got)).Ok)
                    return false;
                done += (ulong)got;
            }
        }

        return FileContents.IsStill(source, wanted);
    }
}
