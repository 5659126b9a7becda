using OpenMosix.Checkpoint.Interop;
using OpenMosix.Checkpoint.Tracing;
using OpenMosix.Protocol.V1;

namespace OpenMosix.Checkpoint.Restore;

/// <summary>An image's mappings as calls that make them: first so that they can be filled, later as they are to be.</summary>
internal static class Mappings
{
    public const ulong PROT_READ = 1;
    public const ulong PROT_WRITE = 2;
    public const ulong MAP_SHARED = 0x01;
    public const ulong MAP_PRIVATE = 0x02;
    public const ulong MAP_DROPPABLE = 0x08;
    public const ulong MAP_FIXED = 0x10;
    public const ulong MAP_ANONYMOUS = 0x20;
    public const ulong MAP_GROWSDOWN = 0x100;
    public const ulong MAP_NORESERVE = 0x4000;
    private const ulong MADV_HUGEPAGE = 14;
    private const ulong NoFile = ulong.MaxValue;

    // KERNEL.md 26: huge pages pay where much is to be written, and cost memory where little of it is.
    private const ulong HugeFromBytes = 2 << 20;

    /// <summary>Mappings that a body brings along; the kernel's own and the agent are there already.</summary>
    public static IEnumerable<Mapping> OfBody(ProcessImage image) => image.Mappings.Where(mapping => mapping.Kind is
        MappingKind.Anonymous or MappingKind.Stack or MappingKind.FilePrivate or MappingKind.FileShared);

    public static bool IsFile(Mapping mapping) => mapping.Kind is MappingKind.FilePrivate or MappingKind.FileShared;

    /// <summary>Maps it, writable if pages of it come. descriptor: of the file it shows, or NoFile.</summary>
    public static void AddMap(Batch batch, Mapping mapping, ExtentIndex extents, ulong? descriptor)
    {
        var filled = extents.Touches(mapping.Start, mapping.End);
        var protection = mapping.Protection | (filled ? PROT_READ | PROT_WRITE : 0);
        var flags = MAP_FIXED | (mapping.Flags & (MAP_GROWSDOWN | MAP_NORESERVE));
        flags |= mapping.Kind is MappingKind.FileShared ? MAP_SHARED
            : descriptor is null && (mapping.Flags & MAP_DROPPABLE) != 0 ? MAP_DROPPABLE
            : MAP_PRIVATE;
        if (descriptor is null)
        {
            flags |= MAP_ANONYMOUS;
        }

        batch.Add(
            CallNumber.mmap, mapping.Start, mapping.End - mapping.Start, protection, flags, descriptor ?? NoFile,
            descriptor is null ? 0 : mapping.Offset);
    }

    /// <summary>Large private memory is asked for in huge pages while it is filled; the advice the body gave comes behind.</summary>
    public static void AddHugePages(Batch batch, Mapping mapping, ExtentIndex extents)
    {
        var bytes = extents.BytesIn(mapping.Start, mapping.End);
        if (mapping.Kind is MappingKind.Anonymous && bytes >= HugeFromBytes && bytes >= (mapping.End - mapping.Start) / 10 * 9)
        {
            batch.Add(CallNumber.madvise, mapping.Start, mapping.End - mapping.Start, MADV_HUGEPAGE);
        }
    }

    public static void AddFinalProtection(Batch batch, Mapping mapping) =>
        batch.Add(CallNumber.mprotect, mapping.Start, mapping.End - mapping.Start, mapping.Protection);

    public static void AddAdvice(Batch batch, Mapping mapping)
    {
        foreach (var advice in mapping.Advice)
        {
            batch.Add(CallNumber.madvise, mapping.Start, mapping.End - mapping.Start, advice);
        }
    }
}

/// <summary>The image's extents, to be asked about ranges.</summary>
internal sealed class ExtentIndex(ProcessImage image)
{
    private readonly (ulong Start, ulong End)[] _extents =
        [.. image.Extents.Select(extent => (extent.Address, extent.Address + extent.Bytes)).Order()];

    public bool Touches(ulong start, ulong end) => BytesIn(start, end) > 0;

    public ulong BytesIn(ulong start, ulong end)
    {
        int low = 0, high = _extents.Length;
        while (low < high)
        {
            var middle = (low + high) / 2;
            (low, high) = _extents[middle].End <= start ? (middle + 1, high) : (low, middle);
        }

        ulong bytes = 0;
        for (; low < _extents.Length && _extents[low].Start < end; low++)
        {
            bytes += Math.Min(end, _extents[low].End) - Math.Max(start, _extents[low].Start);
        }

        return bytes;
    }
}
