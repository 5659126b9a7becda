using Microsoft.Win32.SafeHandles;
using OpenMosix.Checkpoint.Interop;
using OpenMosix.Checkpoint.Tracing;
using OpenMosix.Protocol.Image;
using OpenMosix.Protocol.V1;

namespace OpenMosix.Checkpoint.Snapshot;

/// <summary>What of a memory file has content (lseek(2), SEEK_DATA): the rest are zeros that nobody has written.</summary>
internal static class MemoryRanges
{
    private const int Most = ImageFormat.FileRangesMax / 16;

    /// <param name="link">Of /proc/PID/map_files.</param>
    public static void AddTo(MappedFile file, string link)
    {
        var error = Kernel.OpenRead(link, out var opened);
        Tracee.Check(-error, $"opening {link}");
        using var handle = opened!;
        var ranges = new List<FileRange>();
        for (long at = 0; (ulong)at < file.SizeBytes;)
        {
            var data = Kernel.SeekData(handle, at);
            if (data == -Errno.ENXIO)
            {
                break; // nothing but zeros to the end
            }

            Tracee.Check(data, $"looking for what is in {file.Path}");
            var end = Kernel.SeekHole(handle, data);
            Tracee.Check(end, $"looking for what is in {file.Path}");
            var start = (ulong)data & ~(ImageFormat.PageBytes - 1);
            ranges.Add(new FileRange { Offset = start, Bytes = (((ulong)end + ImageFormat.PageBytes - 1) & ~(ImageFormat.PageBytes - 1)) - start });
            at = end;
        }

        file.Ranges.AddRange(Fit(ranges));
    }

    /// <summary>Joins neighbours until there are no more than a receiver takes.</summary>
    private static List<FileRange> Fit(List<FileRange> ranges)
    {
        for (var gap = ImageFormat.PageBytes; ranges.Count > Most; gap *= 4)
        {
            var joined = new List<FileRange>();
            foreach (var range in ranges)
            {
                if (joined.Count > 0 && range.Offset - (joined[^1].Offset + joined[^1].Bytes) <= gap)
                {
                    joined[^1].Bytes = range.Offset + range.Bytes - joined[^1].Offset;
                }
                else
                {
                    joined.Add(range);
                }
            }

            ranges = joined;
        }

        return ranges;
    }
}
