// The mappings of program files that this process can let go of without losing anything: regular files, private, not writable, and no page of
// which was ever written. MADV_DONTNEED of such a page drops the page table's entry and nothing else; the next use reads the same file.
using System.Globalization;
using OpenMosix.Daemon.Interop;

namespace OpenMosix.Daemon.Hosting;

internal static class ProgramPages
{
    public readonly record struct Area(ulong Start, ulong End, string File);

    public static HashSet<Area> Clean()
    {
        var areas = new HashSet<Area>();
        Area area = default;
        foreach (string line in File.ReadLines("/proc/self/smaps"))
        {
            // start-end perms offset dev inode path, then fields "Name: value kB" (proc_pid_smaps(5))
            if (line[0] is >= '0' and <= '9' or >= 'a' and <= 'f')
                area = IsProgram(line, out Area found) ? found : default;
            else if (line.StartsWith("Anonymous:", StringComparison.Ordinal) && area.End != 0 && line.AsSpan(10).Trim() is "0 kB")
                areas.Add(area);
        }
        return areas;
    }

    public static void Unmap(Area area)
    {
        // Fails only where the pages are locked, which is then as it was.
        _ = Madvise.madvise((nuint)area.Start, (nuint)(area.End - area.Start), Madvise.MADV_DONTNEED);
    }

    private static bool IsProgram(string line, out Area area)
    {
        area = default;
        int path = line.IndexOf('/');
        string[] fields = line.Split(' ', 3);
        if (path < 0 || fields[1] is not ("r--p" or "r-xp") || line.EndsWith("(deleted)", StringComparison.Ordinal))
            return false;
        int dash = fields[0].IndexOf('-');
        area = new Area(
            ulong.Parse(fields[0].AsSpan(0, dash), NumberStyles.HexNumber, CultureInfo.InvariantCulture),
            ulong.Parse(fields[0].AsSpan(dash + 1), NumberStyles.HexNumber, CultureInfo.InvariantCulture),
            line[path..]);
        return true;
    }
}
