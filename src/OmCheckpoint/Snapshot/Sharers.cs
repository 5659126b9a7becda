using System.Globalization;
using OpenMosix.Checkpoint.Interop;
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
        if (!Memory(pid, hidden).Exists(MappingRules.IsWritten))
        {
            return reply;
        }

        var everyone = Everyone(hidden);
        var found = new Dictionary<(ulong Device, ulong Inode), SharedMemory>();
        var pids = new SortedSet<int> { pid };
        var next = new Queue<int>(pids);
        while (next.TryDequeue(out var one))
        {
            foreach (var area in (everyone.GetValueOrDefault(one) ?? []).Where(MappingRules.IsWritten))
            {
                var memory = (area.Device, area.Inode);
                if (found.ContainsKey(memory))
                {
                    continue;
                }

                var uses = everyone.SelectMany(other => other.Value.Where(theirs => (theirs.Device, theirs.Inode) == memory).Select(theirs => (Pid: other.Key, Area: theirs))).ToList();
                var users = uses.Where(use => MappingRules.IsWritten(use.Area)).Select(use => use.Pid).Distinct().Order().ToList();
                found.Add(memory, new SharedMemory { Device = area.Device, Inode = area.Inode, Name = area.Name, Pids = { users } });
                reply.Refusal ??= Check(one, area) ?? Copies(uses);
                foreach (var user in users.Where(pids.Add))
                {
                    next.Enqueue(user);
                }
            }
        }

        reply.Pids.AddRange(pids);
        reply.Memory.AddRange(found.Values);
        reply.Refusal ??= Descriptors(found, reader);
        return reply;
    }

    private static Dictionary<int, List<MemoryArea>> Everyone(Func<int, (ulong Start, ulong End)> hidden) => Processes()
        .Where(pid => pid != Environment.ProcessId) // it has the arenas
        .Select(pid => (Pid: pid, Areas: Memory(pid, hidden)))
        .Where(one => one.Areas.Count > 0)
        .ToDictionary(one => one.Pid, one => one.Areas);

    private static IEnumerable<int> Processes() => Directory.EnumerateDirectories("/proc")
        .Select(path => int.TryParse(Path.GetFileName(path), NumberStyles.None, CultureInfo.InvariantCulture, out var pid) ? pid : 0)
        .Where(pid => pid != 0);

    /// <summary>Shared memory that is written, and private mappings of what may be such elsewhere.</summary>
    private static List<MemoryArea> Memory(int pid, Func<int, (ulong Start, ulong End)> hidden)
    {
        try
        {
            var (start, end) = hidden(pid);
            return [.. MemoryMap.Read(pid).Where(area => (MappingRules.IsWritten(area) || MappingRules.IsMemoryFile(area.Name)) && !area.Overlaps(start, end))];
        }
        catch (Exception gone) when (gone is TraceeException or UnauthorizedAccessException)
        {
            return [];
        }
    }

    /// <summary>Whether nobody can see the memory but through a mapping: no name leads to it. And whether it can be written again at home.</summary>
    private static Refusal? Check(int pid, MemoryArea area)
    {
        const uint F_SEAL_WRITE = 8, F_SEAL_FUTURE_WRITE = 16;
        if (MappingRules.ByName(area) is { } named)
        {
            return named;
        }

        var link = string.Create(CultureInfo.InvariantCulture, $"/proc/{pid}/map_files/{area.Start:x}-{area.End:x}");
        if (!MappingRules.IsMemoryFile(area.Name) || Kernel.Status(link, out var status) != 0 || !status.IsRegular || status.Links != 0
            || Kernel.OpenRead(link, out var memory) != 0)
        {
            return Refusals.SharedMemory(area.ToString());
        }

        using (memory)
        {
            return (Kernel.Seals(memory!) & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)) == 0 ? null : Refusals.SharedMemory($"{area}, sealed against writing");
        }
    }

    /// <summary>A private mapping shows the memory where nothing was written through it: it would show zeros when the memory has left.</summary>
    private static Refusal? Copies(List<(int Pid, MemoryArea Area)> uses) => uses.Find(use => !MappingRules.IsWritten(use.Area)) is { Area: { } copy } use
        ? Refusals.SharedMemory($"{copy} of process {use.Pid}")
        : null;

    /// <summary>Nor a descriptor. Anonymous memory never has one.</summary>
    private static Refusal? Descriptors(Dictionary<(ulong Device, ulong Inode), SharedMemory> found, int reader)
    {
        if (found.Values.All(memory => memory.Name.StartsWith("/dev/zero", StringComparison.Ordinal)))
        {
            return null;
        }

        foreach (var pid in Processes().Where(pid => pid != reader && pid != Environment.ProcessId))
        {
            try
            {
                foreach (var link in Directory.EnumerateFileSystemEntries($"/proc/{pid}/fd"))
                {
                    if (Kernel.Status(link, out var status) == 0 && found.TryGetValue((status.Device, status.Inode), out var memory))
                    {
                        return Refusals.SharedMemory($"{memory.Name}, open as descriptor {Path.GetFileName(link)} of process {pid}");
                    }
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
