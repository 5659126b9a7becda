using System.Globalization;
using OpenMosix.Checkpoint.Interop;
using OpenMosix.Checkpoint.Pages;
using OpenMosix.Checkpoint.Proc;
using OpenMosix.Checkpoint.Tracing;
using OpenMosix.Protocol.Errors;
using OpenMosix.Protocol.V1;

namespace OpenMosix.Checkpoint.Snapshot;

/// <summary>
/// Who shares memory with whom, from /proc/PID/maps of everyone on this node: a process, those that have mapped shared memory of its own, those
/// that share with them, and so on. Such a group moves together. Deputies have in their skeletons what their bodies share, so it does not matter
/// where the group is.
/// </summary>
public static class Sharers
{
    /// <param name="hidden">By pid: where its agent lies, whose arena is nobody's memory; default: nowhere.</param>
    /// <param name="reader">Who reads pages for those that move, and has descriptors of them for that.</param>
    /// <returns>Nothing when the process has no shared memory that is written.</returns>
    public static WardenSharersReply Find(int pid, Func<int, (ulong Start, ulong End)> hidden, int reader = 0)
    {
        // Of one that is away home has nothing to say about this.
        if (hidden(pid) == default && ProcessRules.TooMany(pid) is { } refusal)
        {
            return new WardenSharersReply { Pids = { pid }, Refusal = refusal };
        }

        var reply = new WardenSharersReply();
        if (Memory(pid, hidden)?.Exists(area => IsWritten(pid, area)) != true)
        {
            return reply;
        }

        var everyone = Everyone(hidden);
        var found = new Dictionary<(ulong Device, ulong Inode), SharedMemory>();
        var pids = new SortedSet<int> { pid };
        var next = new Queue<int>(pids);
        while (next.TryDequeue(out var one))
        {
            foreach (var area in (everyone.GetValueOrDefault(one) ?? []).Where(area => IsWritten(one, area)))
            {
                var memory = (area.Device, area.Inode);
                if (found.ContainsKey(memory))
                {
                    continue;
                }

                var uses = everyone.SelectMany(other => other.Value.Where(theirs => (theirs.Device, theirs.Inode) == memory).Select(theirs => (Pid: other.Key, Area: theirs))).ToList();
                var users = uses.Where(use => use.Area.Shared).Select(use => use.Pid).Distinct().Order().ToList();
                var shared = new SharedMemory { Device = area.Device, Inode = area.Inode, Name = area.Name, Pids = { users } };
                found.Add(memory, shared);
                reply.Refusal ??= Check(one, area, shared) ?? Copies(uses);
                // Who has opened it for reading only could not bring it home by itself.
                shared.Written |= uses.Exists(use => use.Area.Shared && !use.Area.Writable && !MemoryFiles.IsOpenForWriting(use.Pid, use.Area));
                foreach (var user in users.Where(pids.Add))
                {
                    next.Enqueue(user);
                }
            }
        }

        reply.Pids.AddRange(pids);
        reply.Memory.AddRange(found.Values);
        reply.Refusal ??= Descriptors(found.Values, pids, reader);
        return reply;
    }

    // What is only read now may be opened for writing (mprotect(2)).
    private static bool IsWritten(int pid, MemoryArea area) =>
        MappingRules.IsWritten(area) || (area.Shared && area.IsFile && !RemoteFileName.TryDecode(area.Name, out _) && MemoryFiles.IsOpenForWriting(pid, area));

    /// <summary>One that has ended between the list and its turn may have forked another that is not in the list: then listed again.</summary>
    private static Dictionary<int, List<MemoryArea>> Everyone(Func<int, (ulong Start, ulong End)> hidden)
    {
        var everyone = new Dictionary<int, List<MemoryArea>> { [Environment.ProcessId] = [] }; // it has the arenas
        bool ended;
        do
        {
            ended = false;
            foreach (var pid in Processes().Where(pid => !everyone.ContainsKey(pid)))
            {
                var areas = Memory(pid, hidden);
                ended |= areas is null;
                everyone.Add(pid, areas ?? []);
            }
        }
        while (ended);

        return everyone;
    }

    private static IEnumerable<int> Processes() => Directory.EnumerateDirectories("/proc")
        .Select(path => int.TryParse(Path.GetFileName(path), NumberStyles.None, CultureInfo.InvariantCulture, out var pid) ? pid : 0)
        .Where(pid => pid != 0);

    /// <summary>Shared memory that is written, and other mappings of files, which may be such elsewhere. Null: it has ended, or is the kernel's own.</summary>
    private static List<MemoryArea>? Memory(int pid, Func<int, (ulong Start, ulong End)> hidden)
    {
        try
        {
            var (start, end) = hidden(pid);
            var areas = MemoryMap.Read(pid);
            return areas.Count == 0 ? null : [.. areas.Where(area => (MappingRules.IsWritten(area) || area.IsFile) && !area.Overlaps(start, end))];
        }
        catch (Exception gone) when (gone is TraceeException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    /// <summary>Whether it can be written again at home. And whether others can see it than those who have it mapped: by a name that leads to it.</summary>
    private static Refusal? Check(int pid, MemoryArea area, SharedMemory shared)
    {
        const uint F_SEAL_WRITE = 8, F_SEAL_FUTURE_WRITE = 16;
        if (MappingRules.ByName(area) is { } named)
        {
            return named;
        }

        var link = string.Create(CultureInfo.InvariantCulture, $"/proc/{pid}/map_files/{area.Start:x}-{area.End:x}");
        if (Kernel.Status(link, out var status) != 0 || !status.IsRegular || Kernel.OpenRead(link, out var memory) != 0)
        {
            return Refusals.SharedMemory(area.ToString());
        }

        (shared.FileDevice, shared.FileInode) = (status.Device, status.Inode);
        shared.Written = status.Links != 0 || !MappingRules.IsMemoryFile(area.Name);

        using (memory)
        {
            return (Kernel.Seals(memory!) & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)) == 0 ? null : Refusals.SharedMemory($"{area}, sealed against writing");
        }
    }

    /// <summary>A private mapping shows the memory where nothing was written through it: it would show zeros when the memory has left.</summary>
    private static Refusal? Copies(List<(int Pid, MemoryArea Area)> uses) => uses.Find(use => !use.Area.Shared) is { Area: { } copy } use
        ? Refusals.SharedMemory($"{copy} of process {use.Pid}")
        : null;

    /// <summary>Or by a descriptor, which only those may have who move with it. Anonymous memory never has one.</summary>
    private static Refusal? Descriptors(IEnumerable<SharedMemory> all, SortedSet<int> group, int reader)
    {
        var found = all.Where(memory => memory.FileInode != 0 && !memory.Name.StartsWith("/dev/zero", StringComparison.Ordinal))
            .ToDictionary(memory => (memory.FileDevice, memory.FileInode));
        if (found.Count == 0)
        {
            return null;
        }

        foreach (var pid in Processes().Where(pid => pid != reader && pid != Environment.ProcessId))
        {
            try
            {
                foreach (var link in Directory.EnumerateFileSystemEntries($"/proc/{pid}/fd"))
                {
                    if (Kernel.Status(link, out var status) != 0 || !found.TryGetValue((status.Device, status.Inode), out var memory))
                    {
                        continue;
                    }

                    if (!group.Contains(pid))
                    {
                        return Refusals.SharedMemory($"{memory.Name}, open as descriptor {Path.GetFileName(link)} of process {pid}");
                    }

                    memory.Written = true;
                }
            }
            catch (Exception gone) when (gone is IOException or UnauthorizedAccessException)
            {
                // It has ended.
            }
        }

        return null;
    }
}
