using OpenMosix.Checkpoint.Pages;
using OpenMosix.Checkpoint.Proc;
using OpenMosix.Protocol.V1;

namespace OpenMosix.Checkpoint.Snapshot;

/// <summary>Shared memory that may move, because all who have it move at the same time: at home what is named, elsewhere all that is there.</summary>
public sealed class SharedMemorySet
{
    private readonly HashSet<(ulong Device, ulong Inode)> _named;

    public SharedMemorySet(IEnumerable<SharedMemory> memory) => _named = [.. memory.Select(one => (one.Device, one.Inode))];

    public static SharedMemorySet None { get; } = new([]);

    internal bool Holds(MemoryArea area) =>
        RemoteFileName.TryDecode(area.Name, out var file) ? file.Memory : _named.Contains((area.Device, area.Inode));
}
