using OpenMosix.Checkpoint.Interop;
using OpenMosix.Checkpoint.Proc;
using OpenMosix.Checkpoint.Tracing;
using OpenMosix.Protocol.V1;

namespace OpenMosix.Checkpoint.Restore;

/// <summary>
/// Compares the skeleton's mappings with those the body comes home with, in the pieces that both sets of borders make, and repairs
/// the difference (KERNEL.md 13). A piece that fits stays and is emptied: what lies in it is what the kernel or nobody wrote meanwhile.
/// </summary>
internal sealed class Skeleton
{
    private const ulong MADV_DONTNEED_LOCKED = 24;

    private readonly ProcessImage _image;
    private readonly ExtentIndex _extents;
    private readonly List<MemoryArea> _areas;
    private readonly List<Piece> _pieces = [];

    public Skeleton(int pid, ProcessImage image, ExtentIndex extents)
    {
        _image = image;
        _extents = extents;
        _areas = [.. MemoryMap.Read(pid).Where(area => !area.IsVdso && !area.IsVvar && !area.IsVsyscall
            && !area.Overlaps(image.AgentArea, AgentArea.Of(image).End.Value))];
        Compare();
    }

    private readonly record struct Piece(ulong Start, ulong End, MemoryArea? Area, Mapping? Mapping, bool Fits);

    /// <summary>Everything that is taken, now or later.</summary>
    public IEnumerable<(ulong Start, ulong End)> Taken => _areas.Select(area => (area.Start, area.End))
        .Concat(_image.Mappings.Select(mapping => (mapping.Start, mapping.End)));

    /// <summary>Whether the body shows a part of that file where the skeleton does not.</summary>
    public bool Lacks(int file) => _pieces.Any(piece => !piece.Fits && piece.Mapping?.File == file + 1);

    public void AddRepair(Batch batch, FileStand files)
    {
        foreach (var piece in _pieces.Where(piece => piece.Mapping is null))
        {
            batch.Add(CallNumber.munmap, piece.Start, piece.End - piece.Start);
        }

        foreach (var piece in _pieces.Where(piece => piece.Mapping is not null))
        {
            if (!piece.Fits)
            {
                var part = piece.Mapping!.Clone();
                (part.Start, part.End, part.Offset) = (piece.Start, piece.End, part.Offset + (piece.Start - piece.Mapping.Start));
                Mappings.AddMap(batch, part, _extents, Mappings.IsFile(part) ? files.Descriptor(part) : null);
                continue;
            }

            if (piece.Mapping!.Kind is not MappingKind.FileShared)
            {
                batch.Add(CallNumber.madvise, piece.Start, piece.End - piece.Start, MADV_DONTNEED_LOCKED);
                if (_extents.Touches(piece.Start, piece.End))
                {
                    batch.Add(CallNumber.mprotect, piece.Start, piece.End - piece.Start,
                        piece.Mapping.Protection | Mappings.PROT_READ | Mappings.PROT_WRITE);
                }
            }
        }
    }

    private void Compare()
    {
        var mappings = Mappings.OfBody(_image).ToList();
        var borders = new SortedSet<ulong>(_areas.SelectMany(area => new[] { area.Start, area.End })
            .Concat(mappings.SelectMany(mapping => new[] { mapping.Start, mapping.End })));
        int area = 0, mapping = 0;
        ulong? last = null;
        foreach (var border in borders)
        {
            if (last is { } start)
            {
                while (area < _areas.Count && _areas[area].End <= start)
                {
                    area++;
                }

                while (mapping < mappings.Count && mappings[mapping].End <= start)
                {
                    mapping++;
                }

                var mine = area < _areas.Count && _areas[area].Start <= start ? _areas[area] : null;
                var theirs = mapping < mappings.Count && mappings[mapping].Start <= start ? mappings[mapping] : null;
                if (mine is not null || theirs is not null)
                {
                    _pieces.Add(new Piece(start, border, mine, theirs, Fits(start, mine, theirs)));
                }
            }

            last = border;
        }
    }

    private bool Fits(ulong start, MemoryArea? area, Mapping? mapping)
    {
        if (area is null || mapping is null)
        {
            return false;
        }

        if (!Mappings.IsFile(mapping))
        {
            return !area.IsFile && !area.Shared;
        }

        var file = _image.Files[(int)mapping.File - 1];
        return area.IsFile && area.Shared == mapping.Kind is MappingKind.FileShared
            && area.Device == file.Device && area.Inode == file.Inode
            && area.Offset + (start - area.Start) == mapping.Offset + (start - mapping.Start);
    }
}
