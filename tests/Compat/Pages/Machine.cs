using System.Globalization;

namespace OpenMosix.Compat.Pages;

/// <summary>What a reader must know of the machine that a page was made on.</summary>
internal static class Machine
{
    internal static string Date => DateTime.UtcNow.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture);

    internal static string Description =>
        $"Debian {File.ReadAllText("/etc/debian_version").Trim()}, Linux {File.ReadAllText("/proc/sys/kernel/osrelease").Trim()}, {Environment.ProcessorCount} CPUs, {Memory} GiB of memory";

    private static long Memory => (GC.GetGCMemoryInfo().TotalAvailableMemoryBytes + (1 << 29)) >> 30;
}
