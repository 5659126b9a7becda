// What the daemon reads about a process of its node from /proc/PID. Any of it may be gone at any moment: null is an answer.
using System.Buffers.Text;
using System.Globalization;
using System.Text;

namespace OpenMosix.Daemon.Jobs;

/// <param name="StartTicks">Clock ticks after boot: with the pid it names a process for good.</param>
public sealed record ProcessStat(int Pid, string Name, char State, int ParentPid, int ProcessGroup, int Session, ulong StartTicks, long ResidentBytes)
{
    public bool IsZombie => State is 'Z' or 'X';

    public static ProcessStat? Read(int pid) =>
        ReadSmall($"/proc/{pid.ToString(CultureInfo.InvariantCulture)}/stat") is { } text ? Parse(text) : null;

    /// <summary>proc_pid_stat(5). The name may hold anything, brackets and spaces too: the last bracket ends it.</summary>
    public static ProcessStat? Parse(ReadOnlySpan<byte> text)
    {
        var open = text.IndexOf((byte)'(');
        var close = text.LastIndexOf((byte)')');
        if (open < 2 || close < open || !Utf8Parser.TryParse(text[..(open - 1)], out int pid, out _))
        {
            return null;
        }
        var name = Encoding.UTF8.GetString(text[(open + 1)..close]);
        // Behind the bracket: state is field 3.
        var fields = Encoding.ASCII.GetString(text[(close + 1)..]).Split(' ', StringSplitOptions.RemoveEmptyEntries);
        if (fields.Length < 22 ||
            !int.TryParse(fields[1], CultureInfo.InvariantCulture, out var parent) ||
            !int.TryParse(fields[2], CultureInfo.InvariantCulture, out var group) ||
            !int.TryParse(fields[3], CultureInfo.InvariantCulture, out var session) ||
            !ulong.TryParse(fields[19], CultureInfo.InvariantCulture, out var start) ||
            !long.TryParse(fields[21], CultureInfo.InvariantCulture, out var pages))
        {
            return null;
        }
        return new ProcessStat(pid, name, fields[0][0], parent, group, session, start, pages * Environment.SystemPageSize);
    }

    /// <summary>Children of every thread, as the kernel lists them now.</summary>
    public static IReadOnlyList<int> Children(int pid)
    {
        var children = new List<int>();
        try
        {
            foreach (var task in Directory.EnumerateDirectories($"/proc/{pid.ToString(CultureInfo.InvariantCulture)}/task"))
            {
                if (ReadSmall(task + "/children") is { } text)
                {
                    foreach (var word in Encoding.ASCII.GetString(text).Split(' ', StringSplitOptions.RemoveEmptyEntries))
                    {
                        if (int.TryParse(word, CultureInfo.InvariantCulture, out var child))
                        {
                            children.Add(child);
                        }
                    }
                }
            }
        }
        catch (IOException)
        {
            // It ended while we looked.
        }
        return children;
    }

    /// <summary>The command line with blanks between the arguments, or the name in brackets when it shows none.</summary>
    public string CommandLine()
    {
        var text = ReadSmall($"/proc/{Pid.ToString(CultureInfo.InvariantCulture)}/cmdline");
        return text is null or [] ? $"[{Name}]" : Encoding.UTF8.GetString(text.AsSpan().TrimEnd((byte)0)).Replace('\0', ' ');
    }

    /// <summary>The real user id (proc_pid_status(5)); root's when it has ended.</summary>
    public uint Uid()
    {
        var text = ReadSmall($"/proc/{Pid.ToString(CultureInfo.InvariantCulture)}/status") ?? [];
        var at = text.AsSpan().IndexOf("\nUid:\t"u8);
        return at >= 0 && Utf8Parser.TryParse(text.AsSpan(at + 6), out uint uid, out _) ? uid : 0;
    }

    private static byte[]? ReadSmall(string path)
    {
        try
        {
            return File.ReadAllBytes(path);
        }
        catch (Exception gone) when (gone is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }
}
