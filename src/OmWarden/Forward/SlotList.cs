namespace OpenMosix.Warden.Forward;

/// <summary>What om_home_threads and om_remote_threads tell.</summary>
internal static unsafe class SlotList
{
    private const int SlotsMax = 4096; // OM_SLOTS_MAX

    internal delegate int Reader(uint* slots, int* tids, uint capacity);

    internal static List<(uint Slot, int Tid)> Read(Reader reader)
    {
        uint[] slots = new uint[SlotsMax];
        int[] tids = new int[SlotsMax];
        int count;
        fixed (uint* slotsRoom = slots)
        fixed (int* tidsRoom = tids)
            count = reader(slotsRoom, tidsRoom, SlotsMax);
        var read = new List<(uint, int)>(count);
        for (int i = 0; i < count; i++)
            read.Add((slots[i], tids[i]));
        return read;
    }
}
