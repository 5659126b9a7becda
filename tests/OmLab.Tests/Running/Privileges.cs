using System.Globalization;

namespace OpenMosix.Lab.Tests.Running;

/// <summary>What a lab needs of the machine. Tests that need a lab skip where it is missing, and say so.</summary>
internal static class Privileges
{
    private const int CapSysAdmin = 21;

    internal static string? Missing { get; } = HasSysAdmin() ? null : "a lab needs root with CAP_SYS_ADMIN";

    private static bool HasSysAdmin()
    {
        var line = File.ReadLines("/proc/self/status").First(each => each.StartsWith("CapEff:", StringComparison.Ordinal));
        return (ulong.Parse(line.AsSpan(7).Trim(), NumberStyles.HexNumber, CultureInfo.InvariantCulture) >> CapSysAdmin & 1) != 0;
    }
}
