using OpenMosix.Protocol.V1;

namespace OpenMosix.Daemon.Ship;

/// <summary>Lists of page spans: ascending by (file, offset), page aligned, not overlapping, not empty.</summary>
internal static class Spans
{
    public const ulong PageBytes = 4096;

    /// <summary>All that an image has to ship. Neighbours are merged.</summary>
    /// <param name="wantsFile">By index in image.Files.</param>
    /// <returns>Null if the image contradicts itself.</returns>
    public static List<PageSpan>? Of(ProcessImage image, Func<int, bool> wantsFile)
    {
        var spans = new List<PageSpan>(image.Extents.Count);
        foreach (Extent extent in image.Extents)
        {
            if (!TryAppend(spans, 0, extent.Address, extent.Bytes))
                return null;
        }

        for (var i = 0; i < image.Files.Count; i++)
        {
            if (!wantsFile(i))
                continue;
            foreach (FileRange range in image.Files[i].Ranges)
            {
                if (!TryAppend(spans, (uint)i + 1, range.Offset, range.Bytes))
                    return null;
            }
        }

        return spans;
    }

    /// <summary>What is wrong with a list from elsewhere; null: nothing.</summary>
    public static string? Fault(IReadOnlyList<PageSpan> spans)
    {
        var (file, end) = (0u, 0ul);
        foreach (PageSpan span in spans)
        {
            if (span.Offset % PageBytes != 0 || span.Bytes % PageBytes != 0 || span.Bytes == 0 || span.Offset + span.Bytes < span.Offset)
                return $"{Text(span)} is not whole pages";
            if (span.File < file || (span.File == file && span.Offset < end))
                return $"{Text(span)} is out of order";
            (file, end) = (span.File, span.Offset + span.Bytes);
        }

        return null;
    }

    public static ulong Bytes(IEnumerable<PageSpan> spans) => spans.Aggregate(0ul, (sum, span) => sum + span.Bytes);

    /// <summary>At most <paramref name="parts"/> lists of about the same size, in order.</summary>
    public static List<List<PageSpan>> Split(IReadOnlyList<PageSpan> spans, int parts)
    {
        var share = (Bytes(spans) / (ulong)parts + PageBytes) / PageBytes * PageBytes;
        var split = new List<List<PageSpan>> { new() };
        var room = share;
        foreach (PageSpan span in spans)
        {
            var rest = span;
            while (rest.Bytes > room)
            {
                split[^1].Add(new PageSpan { File = rest.File, Offset = rest.Offset, Bytes = room });
                rest = new PageSpan { File = rest.File, Offset = rest.Offset + room, Bytes = rest.Bytes - room };
                split.Add([]);
                room = share;
            }

            split[^1].Add(rest);
            room -= rest.Bytes;
            if (room == 0)
            {
                split.Add([]);
                room = share;
            }
        }

        split.RemoveAll(part => part.Count == 0);
        return split;
    }

    public static string Text(PageSpan span) => $"{(span.File == 0 ? "memory" : $"file {span.File - 1}")} 0x{span.Offset:x}+0x{span.Bytes:x}";

    private static bool TryAppend(List<PageSpan> spans, uint file, ulong offset, ulong bytes)
    {
        if (bytes == 0)
            return true;
        if (offset % PageBytes != 0 || bytes % PageBytes != 0 || offset + bytes < offset)
            return false;
        if (spans.Count > 0 && spans[^1] is { } last && last.File == file)
        {
            if (last.Offset + last.Bytes > offset)
                return false;
            if (last.Offset + last.Bytes == offset)
            {
                last.Bytes += bytes;
                return true;
            }
        }

        spans.Add(new PageSpan { File = file, Offset = offset, Bytes = bytes });
        return true;
    }
}
