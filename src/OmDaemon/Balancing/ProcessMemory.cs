using System.Globalization;

namespace OpenMosix.Daemon.Balancing;

internal static class ProcessMemory
{
    /// <summary>Private memory of a process, in use or swapped out: what its departure gives back. 0 when it is gone.</summary>
    public static ulong PrivateBytes(int pid)
    {
        try
        {
            return Parse(File.ReadAllText($"/proc/{pid.ToString(CultureInfo.InvariantCulture)}/status"));
        }
        catch (Exception gone) when (gone is IOException or UnauthorizedAccessException)
        {
            return 0;
        }
    }

    /// <summary>RssAnon and VmSwap of proc_pid_status(5).</summary>
    internal static ulong Parse(ReadOnlySpan<char> status)
    {
        ulong bytes = 0;
        foreach (Range range in status.Split('\n'))
        {
            ReadOnlySpan<char> line = status[range];
            if (!line.StartsWith("RssAnon:", StringComparison.Ordinal) && !line.StartsWith("VmSwap:", StringComparison.Ordinal))
                continue;
            ReadOnlySpan<char> number = line[(line.IndexOf(':') + 1)..].Trim();
            int blank = number.IndexOf(' ');
            if (ulong.TryParse(blank < 0 ? number : number[..blank], NumberStyles.None, CultureInfo.InvariantCulture, out ulong kib))
                bytes += kib * 1024;
        }
        return bytes;
    }
}
