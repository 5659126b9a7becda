using OpenMosix.Checkpoint.Pages;
using OpenMosix.Checkpoint.Restore;
using OpenMosix.Checkpoint.Tracing;
using OpenMosix.Protocol.V1;

namespace OpenMosix.Checkpoint.Tests.Restore;

/// <summary>Ship, without a wire: every extent and every range of a file goes from one process to the other.</summary>
internal static class Copy
{
    private const int PieceBytes = 256 * 1024;

    public static void All(int from, ProcessImage image, RestoringProcess to)
    {
        var buffer = new byte[PieceBytes];
        foreach (var extent in image.Extents)
        {
            for (ulong done = 0; done < extent.Bytes; done += PieceBytes)
            {
                var piece = buffer.AsSpan(0, (int)Math.Min(PieceBytes, extent.Bytes - done));
                var address = new RemoteAddress(extent.Address + done);
                Assert.Equal(0, PageReader.Read(from, address, piece));
                Assert.Equal(0, PageWriter.Write(to.Pid, address, piece));
            }
        }

        var opened = SourceFiles.Open(from, image);
        Assert.True(opened.Ok, opened.ToString());
        using var files = opened.Value;
        for (var file = 0; file < image.Files.Count; file++)
        {
            if (to.FileBases[file] == 0)
            {
                continue;
            }

            foreach (var range in image.Files[file].Ranges)
            {
                for (ulong done = 0; done < range.Bytes; done += PieceBytes)
                {
                    var piece = buffer.AsSpan(0, (int)Math.Min(PieceBytes, range.Bytes - done));
                    piece.Clear();
                    _ = RandomAccess.Read(files.Handles[file], piece, (long)(range.Offset + done));
                    Assert.Equal(0, PageWriter.Write(to.Pid, new RemoteAddress(unchecked(to.FileBases[file] + range.Offset + done)), piece));
                }
            }
        }
    }
}
