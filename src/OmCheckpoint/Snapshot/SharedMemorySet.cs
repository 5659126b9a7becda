using OpenMosix.Checkpoint.Pages;
using OpenMosix.Checkpoint.Proc;
using OpenMosix.Protocol.V1;

namespace OpenMosix.Checkpoint.Snapshot;

/// <summary>Shared memory that may move, because all who have it move at the same time: at home what is named, elsewhere all that is there.</summary>
public sealed class SharedMemorySet
{
    private readonly Dictionary<(ulong Device, ulong Inode), SharedMemory> _named;

    public SharedMemorySet(IEnumerable<SharedMemory> memory) => _named = memory.ToDictionary(one => (one.Device, one.Inode));

    public static SharedMemorySet None { get; } = new([]);

    internal bool Holds(MemoryArea area) =>
        RemoteFileName.TryDecode(area.Name, out var file) ? file.Memory : _named.ContainsKey((area.Device, area.Inode));

    /// <summary>At home.</summary>
    internal bool IsWritten(MemoryArea area) => _named.GetValueOrDefault((area.Device, area.Inode)) is { Written: true };
}
