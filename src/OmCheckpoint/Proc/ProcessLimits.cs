using System.Globalization;

namespace OpenMosix.Checkpoint.Proc;

/// <summary>What /proc/PID/limits says, as far as it is needed: soft limits, in bytes; ulong.MaxValue without one.</summary>
internal readonly record struct ProcessLimits(ulong AddressSpace, ulong Data)
{
    private const int ValueColumn = 26;

    public static ProcessLimits Read(int pid)
    {
        var lines = (ProcFile.Read($"/proc/{pid}/limits") ?? "").Split('\n');
        return new ProcessLimits(Soft(lines, "Max address space"), Soft(lines, "Max data size"));
    }

    private static ulong Soft(string[] lines, string name)
    {
        var line = lines.FirstOrDefault(candidate => candidate.StartsWith(name, StringComparison.Ordinal));
        return line is { Length: > ValueColumn } && ulong.TryParse(line[ValueColumn..].Split(' ')[0], CultureInfo.InvariantCulture, out var bytes)
            ? bytes
            : ulong.MaxValue;
    }
}
