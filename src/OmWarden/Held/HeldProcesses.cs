using System.Collections.Concurrent;

namespace OpenMosix.Warden.Held;

/// <summary>What this warden holds, by key. Any thread.</summary>
internal sealed class HeldProcesses
{
    private readonly ConcurrentDictionary<ulong, HeldProcess> byKey = new();

    internal bool IsEmpty => byKey.IsEmpty;

    internal IEnumerable<HeldProcess> All => byKey.Values;

    internal IEnumerable<HomeProcess> AtHome => byKey.Values.OfType<HomeProcess>();

    internal HeldProcess? Find(ulong key) => byKey.GetValueOrDefault(key);

    /// <summary>False: there is another one with this key.</summary>
    internal bool TryAdd(HeldProcess process) => byKey.TryAdd(process.Key, process);

    internal void Remove(HeldProcess process) => byKey.TryRemove(new(process.Key, process));
}
