using System.Buffers.Binary;
using OpenMosix.Protocol.V1;

namespace OpenMosix.Protocol.Image;

/// <summary>Checks an image that came from elsewhere before anything is allocated or built for it.</summary>
public static class ImageValidation
{
    private const int RegistersBytes = 216; // struct user_regs_struct of x86-64
    private const int SiginfoBytes = 128;
    private const int SignalMax = 64;
    private const int CpuTimersMax = 2; // ITIMER_VIRTUAL, ITIMER_PROF
    private const int AffinityBytesMax = 1024; // 8192 processors
    private const ulong FileBytesMax = 1UL << 62;

    /// <returns>null when it can be used; else what is wrong with it.</returns>
    public static string? Check(ProcessImage image) =>
        image.Version != ImageFormat.Version ? $"image version {image.Version}, known is {ImageFormat.Version}"
        : CheckSizes(image) ?? CheckMappings(image) ?? CheckExtents(image) ?? CheckFiles(image) ?? CheckProcess(image)
            ?? CheckThreads(image);

    private static string? CheckSizes(ProcessImage image) =>
        image.Mappings.Count > ImageFormat.MappingsMax ? $"{image.Mappings.Count} mappings"
        : image.Extents.Count > ImageFormat.ExtentsMax ? $"{image.Extents.Count} extents"
        : image.Files.Count > ImageFormat.FilesMax ? $"{image.Files.Count} files"
        : image.Files.Sum(file => (long)file.Ranges.Count) > ImageFormat.FileRangesMax ? "too many ranges of files"
        : image.Threads.Count is 0 or > ImageFormat.ThreadsMax ? $"{image.Threads.Count} threads"
        : image.AgentSlots is 0 or > ImageFormat.AgentSlotsMax || image.AgentSlots < image.Threads.Count ? $"room for {image.AgentSlots} threads"
        : image.SharedPending.Count > ImageFormat.PendingSignalsMax ? $"{image.SharedPending.Count} pending signals"
        : image.Name.Length > ImageFormat.NameBytesMax || image.HomeHostname.Length > ImageFormat.NameBytesMax ? "a name is too long"
        : null;

    private static string? CheckMappings(ProcessImage image)
    {
        ulong end = 0;
        foreach (Mapping mapping in image.Mappings)
        {
            if (mapping.Kind is MappingKind.Vsyscall)
            {
                continue; // the kernel's, above every address of a user; nothing is made of it
            }

            string? wrong = !IsRange(mapping.Start, mapping.End) ? "is not a range of pages of a user"
                : mapping.Start < end ? "overlaps the one before or is out of order"
                : !Enum.IsDefined(mapping.Kind) || mapping.Kind is MappingKind.Unspecified ? "is of no known kind"
                : mapping.Protection > 7 ? "has an impossible protection"
                : mapping.File > image.Files.Count ? "shows a file that is not in the image"
                : mapping.Kind is MappingKind.FilePrivate or MappingKind.FileShared != mapping.File > 0 ? "and its file do not go together"
                : mapping.Kind is MappingKind.FilePrivate && image.Files[(int)mapping.File - 1].Memory ? "is a copy of memory that others write"
                : mapping.Offset % ImageFormat.PageBytes != 0 || mapping.Offset > FileBytesMax ? "has an impossible offset"
                : null;
            if (wrong is not null)
            {
                return $"mapping {mapping.Start:x}-{mapping.End:x} {wrong}";
            }

            end = mapping.End;
        }

        var agentBytes = ImageFormat.AgentAreaBytes(image.AgentSlots);
        if (!IsRange(image.AgentArea, unchecked(image.AgentArea + agentBytes)))
        {
            return "the agent's area is not a range of pages of a user";
        }

        // What is mapped over the agent would replace the code that maps it.
        var over = image.Mappings.FirstOrDefault(mapping => mapping.Kind is not MappingKind.Vsyscall
            && mapping.Start < image.AgentArea + agentBytes && image.AgentArea < mapping.End);
        return over is null ? null : $"mapping {over.Start:x}-{over.End:x} lies in the agent's area";
    }

    private static string? CheckExtents(ProcessImage image)
    {
        ulong end = 0;
        int mapping = 0;
        foreach (Extent extent in image.Extents)
        {
            if (!IsRange(extent.Address, unchecked(extent.Address + extent.Bytes)) || extent.Address < end)
            {
                return $"extent {extent.Address:x} is out of order or not a range of pages";
            }

            end = extent.Address + extent.Bytes;
            while (mapping < image.Mappings.Count && image.Mappings[mapping].End <= extent.Address)
            {
                mapping++;
            }

            // An extent may span mappings that touch; every page of it must belong to one that is private.
            int at = mapping;
            for (ulong position = extent.Address; position < end; position = image.Mappings[at++].End)
            {
                if (at >= image.Mappings.Count || image.Mappings[at].Start > position || !IsPrivate(image.Mappings[at].Kind))
                {
                    return $"extent {extent.Address:x} lies outside private memory";
                }
            }
        }

        return null;
    }

    private static string? CheckFiles(ProcessImage image)
    {
        foreach (MappedFile file in image.Files)
        {
            ulong end = 0;
            if (file.Path.Length > ImageFormat.NameBytesMax || file.SizeBytes > FileBytesMax)
            {
                return "a mapped file has an impossible name or size";
            }

            if (file.Held && (!file.Memory || file.Ranges.Count > 0))
            {
                return $"{file.Path} cannot be held elsewhere";
            }

            if (file.Written && !file.Memory)
            {
                return $"{file.Path} is written and no memory";
            }

            if (file.ContentSha256.Length is not (0 or 32))
            {
                return $"the content of {file.Path} has an impossible hash";
            }

            foreach (FileRange range in file.Ranges)
            {
                if (range.Offset < end || range.Bytes == 0 || (range.Offset | range.Bytes) % ImageFormat.PageBytes != 0
                    || range.Offset > FileBytesMax || range.Bytes > FileBytesMax
                    || range.Offset + range.Bytes > ((file.SizeBytes + ImageFormat.PageBytes - 1) & ~(ImageFormat.PageBytes - 1)))
                {
                    return $"range {range.Offset:x}+{range.Bytes:x} of {file.Path} is out of order or outside the file";
                }

                end = range.Offset + range.Bytes;
            }
        }

        return null;
    }

    private static string? CheckProcess(ProcessImage image) =>
        image.Pid <= 1 ? $"pid {image.Pid}"
        : image.Memory is null || image.Clocks is null || image.Cpu is null ? "a part is missing"
        : image.Memory.Auxv.Length is 0 or > ImageFormat.AuxvBytesMax ? "auxv has an impossible size"
        : image.Actions.Count > SignalMax || image.Actions.Any(action => action.Signal is 0 or > SignalMax) ? "an impossible signal"
        : image.CpuTimers.Count > CpuTimersMax || image.CpuTimers.Any(timer => timer.Which is 0 or > CpuTimersMax || timer.LeftUs <= 0 || timer.IntervalUs < 0)
            ? "an impossible timer"
        : image.SharedPending.Any(signal => !IsSignal(signal)) ? "a pending signal is impossible"
        : null;

    private static string? CheckThreads(ProcessImage image)
    {
        if (image.Threads[0].Tid != image.Pid || image.Threads[0].Slot != 0)
        {
            return "the first thread is not the leader";
        }

        HashSet<int> tids = [];
        HashSet<uint> slots = [];
        foreach (ThreadImage thread in image.Threads)
        {
            var wrong = CheckThread(thread)
                ?? (!tids.Add(thread.Tid) ? "there is another of that number"
                : thread.Slot >= image.AgentSlots || !slots.Add(thread.Slot) ? $"it cannot have slot {thread.Slot}"
                : null);
            if (wrong is not null)
            {
                return $"thread {thread.Tid}: {wrong}";
            }
        }

        return null;
    }

    private static string? CheckThread(ThreadImage thread) =>
        thread.Tid <= 1 ? $"tid {thread.Tid}"
        : thread.Registers.Length != RegistersBytes ? "the registers have an impossible size"
        : thread.Xstate.Count > SignalMax || thread.Xstate.Sum(component => (long)component.Value.Length) > ImageFormat.XstateBytesMax
            ? "the extended registers are too large"
        : !thread.Xstate.ContainsKey(0) || !thread.Xstate.ContainsKey(1) ? "the legacy registers are missing"
        : thread.Pending.Count > ImageFormat.PendingSignalsMax ? $"{thread.Pending.Count} pending signals"
        : thread.Pending.Any(signal => !IsSignal(signal)) ? "a pending signal is impossible"
        : thread.Name.Length > ImageFormat.NameBytesMax ? "a name is too long"
        : thread.Affinity.Length > AffinityBytesMax ? "the affinity is too large"
        : null;

    /// <summary>A whole siginfo_t, of a signal there is.</summary>
    private static bool IsSignal(PendingSignal signal) => signal.Siginfo.Length == SiginfoBytes
        && BinaryPrimitives.ReadInt32LittleEndian(signal.Siginfo.Span) is >= 1 and <= SignalMax;

    private static bool IsPrivate(MappingKind kind) => kind is MappingKind.Anonymous or MappingKind.Stack or MappingKind.FilePrivate;

    private static bool IsRange(ulong start, ulong end) =>
        start < end && end <= ImageFormat.UserEnd && (start | end) % ImageFormat.PageBytes == 0;
}
