// Host ids of a cell: one for its init, one for the body, drawn from a range that no distribution assigns (systemd's
// UIDS-GIDS.md: 1879048192 to 2147483647 is free), so that not even two cells share one.
using System.Globalization;

namespace OpenMosix.Warden.Cell;

internal static class SubordinateIds
{
    private const uint First = 0x7000_0000;
    private const int Cells = 1 << 24;

    internal static uint Draw(ISet<uint> taken)
    {
        uint first;
        do
            first = First + 2 * (uint)System.Security.Cryptography.RandomNumberGenerator.GetInt32(Cells);
        while (!taken.Add(first));
        return first;
    }

    internal static void Map(int pid, uint first)
    {
        string map = string.Create(CultureInfo.InvariantCulture, $"0 {first} 1\n1 {first + 1} 1\n");
        Write(pid, "setgroups", "deny");
        Write(pid, "gid_map", map);
        Write(pid, "uid_map", map);
    }

    private static void Write(int pid, string file, string text)
    {
        string path = $"/proc/{pid}/{file}";
        try
        {
            using FileStream stream = new(path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite, bufferSize: 0);
            stream.Write(System.Text.Encoding.ASCII.GetBytes(text));
        }
        catch (Exception refused) when (refused is IOException or UnauthorizedAccessException)
        {
            throw new CellException($"writing {path}: {refused.Message}", 0);
        }
    }
}
