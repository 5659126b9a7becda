namespace OpenMosix.Warden.Held;

/// <summary>One thread of a body: its slot, its tid at home (and inside the cell), and its tid in our pid namespace.</summary>
internal readonly record struct GuestThread(uint Slot, int AtHome, int Here);

/// <summary>The threads of a body, the leader first. On the queue of the process, but for Count.</summary>
internal sealed class GuestThreads
{
    private readonly SortedDictionary<uint, GuestThread> bySlot = [];

    internal int Count => bySlot.Count;

    internal IEnumerable<GuestThread> All => bySlot.Values;

    internal void Fill(IEnumerable<GuestThread> threads)
    {
        bySlot.Clear();
        foreach (GuestThread thread in threads)
            bySlot.Add(thread.Slot, thread);
    }

    internal void Add(GuestThread thread) => bySlot[thread.Slot] = thread;

    internal void Remove(uint slot) => bySlot.Remove(slot);

    internal GuestThread? InSlot(uint slot) => bySlot.TryGetValue(slot, out GuestThread thread) ? thread : null;

    /// <summary>By a tid of ours; null: it is none of these.</summary>
    internal uint? SlotOf(int here)
    {
        foreach (GuestThread thread in bySlot.Values)
            if (thread.Here == here)
                return thread.Slot;
        return null;
    }
}
