using System.Collections.Concurrent;
using System.Threading.Channels;

namespace OpenMosix.Warden.Held;

/// <summary>What this warden holds, by key. Any thread.</summary>
internal sealed class HeldProcesses
{
    private readonly ConcurrentDictionary<ulong, HeldProcess> byKey = new();

    private readonly Channel<bool> added = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });

    /// <summary>Something to read: a process has been added since it was read last.</summary>
    internal ChannelReader<bool> Added => added.Reader;

    internal bool IsEmpty => byKey.IsEmpty;

    internal IEnumerable<HeldProcess> All => byKey.Values;

    internal IEnumerable<HomeProcess> AtHome => byKey.Values.OfType<HomeProcess>();

    internal HeldProcess? Find(ulong key) => byKey.GetValueOrDefault(key);

    /// <summary>False: there is another one with this key.</summary>
    internal bool TryAdd(HeldProcess process)
    {
        if (!byKey.TryAdd(process.Key, process))
            return false;
        added.Writer.TryWrite(true);
        return true;
    }

    internal void Remove(HeldProcess process) => byKey.TryRemove(new(process.Key, process));
}
