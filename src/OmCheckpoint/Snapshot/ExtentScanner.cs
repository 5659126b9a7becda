using System.Buffers.Binary;
using System.Globalization;
using Microsoft.Win32.SafeHandles;
using OpenMosix.Checkpoint.Interop;
using OpenMosix.Checkpoint.Proc;
using OpenMosix.Checkpoint.Tracing;
using OpenMosix.Protocol.Image;
using OpenMosix.Protocol.V1;

namespace OpenMosix.Checkpoint.Snapshot;

/// <summary>Finds the pages that are really the process's own: what PAGEMAP_SCAN calls present or swapped and neither the file's nor the
/// zero page. Where the kernel has no PAGEMAP_SCAN (before 6.7), /proc/PID/pagemap is read, which cannot tell zero pages.</summary>
internal sealed class ExtentScanner : IDisposable
{
    private const int RegionsAtOnce = 1024;
    private const ulong Present = 1UL << 63;
    private const ulong Swapped = 1UL << 62;
    private const ulong FileOrShared = 1UL << 61;

    private readonly SafeFileHandle _pagemap;
    private bool _withoutScan;

    public ExtentScanner(int pid)
    {
        var error = Kernel.OpenRead(string.Create(CultureInfo.InvariantCulture, $"/proc/{pid}/pagemap"), out var pagemap);
        _pagemap = error == 0 ? pagemap! : throw new TraceeException($"opening the pagemap of {pid}", error);
    }

    /// <summary>For the tests: as a kernel without PAGEMAP_SCAN would do.</summary>
    internal bool WithoutScan
    {
        set => _withoutScan = value;
    }

    public void Scan(MemoryArea area, List<Extent> extents)
    {
        if (!_withoutScan)
        {
            var first = extents.Count;
            if (ByScan(area, extents))
            {
                return;
            }

            extents.RemoveRange(first, extents.Count - first);
            _withoutScan = true;
        }

        ByPagemap(area, extents);
    }

    public void Dispose() => _pagemap.Dispose();

    /// <summary>Joins neighbours until there are no more than a receiver takes. Pages between them travel too; they read as what they are.</summary>
    public static List<Extent> Fit(List<Extent> extents, IReadOnlyList<Mapping> mappings)
    {
        for (var gap = ImageFormat.PageBytes; extents.Count > ImageFormat.ExtentsMax; gap *= 4)
        {
            var joined = new List<Extent>();
            var mapping = 0;
            foreach (var extent in extents)
            {
                while (mappings[mapping].End <= extent.Address)
                {
                    mapping++;
                }

                var last = joined.Count > 0 ? joined[^1] : null;
                if (last is not null && last.Address >= mappings[mapping].Start && extent.Address - (last.Address + last.Bytes) <= gap)
                {
                    last.Bytes = extent.Address + extent.Bytes - last.Address;
                    last.Huge &= extent.Huge;
                }
                else
                {
                    joined.Add(extent);
                }
            }

            extents = joined;
        }

        return extents;
    }

    private bool ByScan(MemoryArea area, List<Extent> extents)
    {
        Span<PagemapScan.Region> regions = stackalloc PagemapScan.Region[RegionsAtOnce];
        for (var start = area.Start; start < area.End;)
        {
            var count = PagemapScan.FindPrivate(_pagemap, start, area.End, regions, out var walkEnd);
            if (count is -Errno.ENOTTY or -Errno.EINVAL)
            {
                return false;
            }

            Tracee.Check(count, "PAGEMAP_SCAN");
            foreach (ref readonly var region in regions[..count])
            {
                Append(extents, region.Start, region.End, (region.Categories & PagemapScan.PAGE_IS_HUGE) != 0);
            }

            // It has been seen to tell less than it has walked (Linux 6.18, when the regions just fit).
            start = count > 0 ? Math.Max(walkEnd, regions[count - 1].End) : walkEnd;
        }

        return true;
    }

    private void ByPagemap(MemoryArea area, List<Extent> extents)
    {
        var entries = new byte[4096 * sizeof(ulong)];
        for (var start = area.Start; start < area.End;)
        {
            var pages = (int)Math.Min((area.End - start) / ImageFormat.PageBytes, (ulong)entries.Length / sizeof(ulong));
            var error = Kernel.ReadAt(_pagemap, entries.AsSpan(0, pages * sizeof(ulong)), (long)(start / ImageFormat.PageBytes * sizeof(ulong)));
            Tracee.Check(-error, "reading the pagemap");
            for (var page = 0; page < pages; page++, start += ImageFormat.PageBytes)
            {
                var entry = BinaryPrimitives.ReadUInt64LittleEndian(entries.AsSpan(page * sizeof(ulong)));
                if ((entry & (Present | Swapped)) != 0 && (entry & FileOrShared) == 0)
                {
                    Append(extents, start, start + ImageFormat.PageBytes, huge: false);
                }
            }
        }
    }

    private static void Append(List<Extent> extents, ulong start, ulong end, bool huge)
    {
        if (extents.Count > 0 && extents[^1] is var last && last.Address + last.Bytes == start && last.Huge == huge)
        {
            last.Bytes += end - start;
        }
        else
        {
            extents.Add(new Extent { Address = start, Bytes = end - start, Huge = huge });
        }
    }
}
