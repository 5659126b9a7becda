using System.Globalization;
using System.Security.Cryptography;
using Google.Protobuf;
using OpenMosix.Checkpoint.Interop;
using OpenMosix.Checkpoint.Pages;
using OpenMosix.Checkpoint.Proc;
using OpenMosix.Checkpoint.Tracing;
using OpenMosix.Protocol.Image;
using OpenMosix.Protocol.V1;

namespace OpenMosix.Checkpoint.Snapshot;

/// <summary>The mappings, the files behind them, and the extents that travel. One Mapping for each area of the kernel.</summary>
internal static class MappingSnapshot
{
    private const uint MAP_SHARED = 0x01;
    private const uint MAP_PRIVATE = 0x02;
    private const uint MAP_DROPPABLE = 0x08;
    private const uint MAP_GROWSDOWN = 0x0100;
    private const uint MAP_LOCKED = 0x2000;
    private const uint MAP_NORESERVE = 0x4000;

    /// <summary>MADV_* by which a VmFlag is set again.</summary>
    private static readonly Dictionary<string, uint> Advice = new()
    {
        ["rr"] = 1,
        ["sr"] = 2,
        ["dc"] = 10,
        ["mg"] = 12,
        ["hg"] = 14,
        ["nh"] = 15,
        ["dd"] = 16,
        ["wf"] = 18,
    };

    public static void Take(Tracee tracee, IReadOnlyList<MemoryArea> areas, ProcessImage image, SharedMemorySet memory)
    {
        using var scanner = new ExtentScanner(tracee.Tid);
        var files = new Dictionary<(ulong Device, ulong Inode), int>();
        var extents = new List<Extent>();
        foreach (var area in areas)
        {
            var mapping = Describe(tracee, area);
            if (mapping.Kind is MappingKind.FilePrivate or MappingKind.FileShared)
            {
                mapping.File = FileOf(tracee.Tid, area, files, image, memory);
                mapping.Offset = area.Offset;
            }

            // A droppable mapping may be empty at any moment, so it may be now.
            if (mapping.Kind is MappingKind.Anonymous or MappingKind.Stack or MappingKind.FilePrivate && (mapping.Flags & MAP_DROPPABLE) == 0)
            {
                scanner.Scan(area, extents);
            }

            image.Mappings.Add(mapping);
        }

        image.Extents.AddRange(ExtentScanner.Fit(extents, image.Mappings));
        foreach (var file in image.Files)
        {
            Merge(file);
        }
    }

    private static Mapping Describe(Tracee tracee, MemoryArea area)
    {
        var kind = MappingRules.KindOf(area);
        var mapping = new Mapping
        {
            Start = area.Start,
            End = area.End,
            Protection = area.Protection,
            Kind = kind,
            Name = area.Name,
            Flags = area.Flags.Contains("dp") ? MAP_DROPPABLE : area.Shared ? MAP_SHARED : MAP_PRIVATE,
        };
        mapping.Flags |= (kind == MappingKind.Stack ? MAP_GROWSDOWN : 0)
            | (area.Flags.Contains("lo") ? MAP_LOCKED : 0)
            | (area.Flags.Contains("nr") ? MAP_NORESERVE : 0);
        if (kind is MappingKind.Vdso)
        {
            var code = new byte[area.Bytes];
            tracee.Read(new RemoteAddress(area.Start), code);
            mapping.VdsoHash = ByteString.CopyFrom(SHA256.HashData(code));
        }
        else if (kind is not (MappingKind.Vvar or MappingKind.VvarVclock or MappingKind.Vsyscall))
        {
            mapping.Advice.AddRange(area.Flags.Where(Advice.ContainsKey).Select(flag => Advice[flag]));
        }

        return mapping;
    }

    /// <returns>The file's index in the image + 1.</returns>
    private static uint FileOf(int pid, MemoryArea area, Dictionary<(ulong Device, ulong Inode), int> files, ProcessImage image, SharedMemorySet memory)
    {
        if (!files.TryGetValue((area.Device, area.Inode), out var index))
        {
            index = image.Files.Count;
            files.Add((area.Device, area.Inode), index);
            image.Files.Add(Identify(pid, area, memory));
        }

        var file = image.Files[index];
        if (file.Memory)
        {
            return (uint)index + 1; // all of it travels, whichever part is mapped
        }

        var end = Math.Min(area.Offset + area.Bytes, PageUp(file.SizeBytes));
        if (end > area.Offset)
        {
            file.Ranges.Add(new FileRange { Offset = area.Offset, Bytes = end - area.Offset });
        }

        return (uint)index + 1;
    }

    private static MappedFile Identify(int pid, MemoryArea area, SharedMemorySet memory)
    {
        var link = string.Create(CultureInfo.InvariantCulture, $"/proc/{pid}/map_files/{area.Start:x}-{area.End:x}");
        var error = Kernel.Status(link, out var status);
        Tracee.Check(-error, $"looking at {link} ({area.Name})");
        if (!status.IsRegular)
        {
            throw new RefusedException(Protocol.Errors.Refusals.DeviceMapping(area.ToString()));
        }

        // On a hosting node the file is a memfd of ours, and is spoken of as what it is at home.
        if (!RemoteFileName.TryDecode(area.Name, out var file))
        {
            file = AtHome(area, status, memory);
        }

        if (file.Memory)
        {
            MemoryRanges.AddTo(file, link);
        }

        return file;
    }

    private static MappedFile AtHome(MemoryArea area, Kernel.FileStatus status, SharedMemorySet memory)
    {
        var moves = area.Shared && memory.Holds(area);
        return new()
        {
            Path = area.Name,
            Device = area.Device,
            Inode = area.Inode,
            SizeBytes = (ulong)status.Bytes,
            ModifiedNs = moves ? 0 : status.ModifiedNs, // it is written all the time
            Memory = moves,
            Written = moves && memory.IsWritten(area),
        };
    }

    /// <summary>Ranges ascending and apart.</summary>
    private static void Merge(MappedFile file)
    {
        var merged = new List<FileRange>();
        foreach (var range in file.Ranges.OrderBy(range => range.Offset))
        {
            if (merged.Count > 0 && range.Offset <= merged[^1].Offset + merged[^1].Bytes)
            {
                merged[^1].Bytes = Math.Max(merged[^1].Bytes, range.Offset + range.Bytes - merged[^1].Offset);
            }
            else
            {
                merged.Add(range);
            }
        }

        file.Ranges.Clear();
        file.Ranges.AddRange(merged);
    }

    private static ulong PageUp(ulong bytes) => (bytes + ImageFormat.PageBytes - 1) & ~(ImageFormat.PageBytes - 1);
}
