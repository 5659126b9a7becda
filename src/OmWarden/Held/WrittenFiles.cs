// What stands in a cell for files that home gets back (MappedFile.written): kept also when no body has it mapped any more, until it has been written back.
// Any thread.
using Microsoft.Win32.SafeHandles;
using OpenMosix.Checkpoint.Pages;
using OpenMosix.Protocol.V1;

namespace OpenMosix.Warden.Held;

internal sealed class WrittenFiles : IDisposable
{
    private readonly Lock gate = new();
    private readonly Dictionary<(ulong Device, ulong Inode), (MappedFile File, SafeFileHandle Memory)> files = [];
    private readonly HashSet<ICellBody> leaving = [];

    /// <summary>Those that a body has mapped.</summary>
    internal void Keep(int pid)
    {
        foreach (MappedFile file in MemoryFiles.Written(pid))
            lock (gate)
                if (!files.ContainsKey((file.Device, file.Inode)) && MemoryFiles.Open(pid, file) is { } memory)
                    files.Add((file.Device, file.Inode), (file, memory));
    }

    /// <summary>For a process to map it; the caller's to close. Null: it is not here.</summary>
    internal SafeFileHandle? Open(ulong device, ulong inode)
    {
        lock (gate)
            return files.TryGetValue((device, inode), out var kept) ? MemoryFiles.Again(kept.Memory) : null;
    }

    internal MappedFile? Find(ulong device, ulong inode)
    {
        lock (gate)
            return files.TryGetValue((device, inode), out var kept) ? kept.File : null;
    }

    /// <summary>What nobody but those that leave has mapped: the last of them has it to write back.</summary>
    /// <param name="body">It leaves; null: nobody does.</param>
    internal IReadOnlyList<MappedFile> LeftBy(ICellBody? body, IReadOnlyCollection<ICellBody> all)
    {
        lock (gate)
        {
            if (files.Count == 0)
                return [];
            if (body is not null)
                leaving.Add(body);
            var held = all.Where(one => !leaving.Contains(one)).SelectMany(one => MemoryFiles.Written(one.HostPid)).Select(file => (file.Device, file.Inode)).ToHashSet();
            return [.. files.Where(one => !held.Contains(one.Key)).Select(one => one.Value.File)];
        }
    }

    /// <summary>It does not leave after all, or has left.</summary>
    internal void Stays(ICellBody body)
    {
        lock (gate)
            leaving.Remove(body);
    }

    /// <summary>It has been written back.</summary>
    internal void Drop(MappedFile file)
    {
        lock (gate)
            if (files.Remove((file.Device, file.Inode), out var kept))
                kept.Memory.Dispose();
    }

    public void Dispose()
    {
        lock (gate)
        {
            foreach (var (_, memory) in files.Values)
                memory.Dispose();
            files.Clear();
        }
    }
}
