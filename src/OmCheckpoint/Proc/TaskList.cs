using System.Globalization;

namespace OpenMosix.Checkpoint.Proc;

/// <summary>The threads of a process: /proc/PID/task.</summary>
internal static class TaskList
{
    /// <returns>The leader first, then ascending; empty: there is no such process.</returns>
    public static List<int> Of(int pid)
    {
        try
        {
            return [.. Directory.EnumerateFileSystemEntries($"/proc/{pid}/task")
                .Select(path => int.Parse(Path.GetFileName(path.AsSpan()), CultureInfo.InvariantCulture))
                .OrderBy(tid => tid == pid ? 0 : tid)];
        }
        catch (IOException)
        {
            return [];
        }
    }

    public static bool Has(int pid, int tid) => Directory.Exists($"/proc/{pid}/task/{tid}");
}
