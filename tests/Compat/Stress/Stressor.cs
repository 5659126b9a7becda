using System.Diagnostics;

namespace OpenMosix.Compat.Stress;

/// <summary>
/// One stressor of stress-ng. All run as nobody: as root some reboot, take CPUs offline, write to devices or starve the machine, and those
/// that want a privilege for something harmless are named here and get root, in a node that has mounts, network, pids and IPC of its own.
/// </summary>
internal sealed record Stressor(string Name, IReadOnlyList<string> Classes)
{
    private const string Nobody = "65534:65534";

    private static readonly string[] AllClasses = ["cpu", "cpu-cache", "memory", "vm", "pipe", "filesystem", "interrupt", "scheduler", "os"];

    private static readonly HashSet<string> Harmless =
        ["bind-mount", "chroot", "fanotify", "handle", "icmp-flood", "netlink-proc", "netlink-task", "ramfs", "rawpkt", "rawsock", "rawudp", "tun", "umount"];

    internal bool AsRoot => Harmless.Contains(Name);

    internal string? User => AsRoot ? null : Nobody;

    internal static IReadOnlyList<Stressor> All() =>
    [
        .. AllClasses.SelectMany(each => Of(each).Select(name => (Name: name, Class: each))).GroupBy(pair => pair.Name)
            .Select(group => new Stressor(group.Key, [.. group.Select(pair => pair.Class)])).OrderBy(stressor => stressor.Name, StringComparer.Ordinal),
    ];

    // class 'pipe' stressors: fifo pipe pipeherd
    private static string[] Of(string name)
    {
        using var stressNg = Process.Start(new ProcessStartInfo("stress-ng", ["--class", name + "?"]) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        var errors = stressNg.StandardError.ReadToEndAsync();
        var text = stressNg.StandardOutput.ReadToEnd() + errors.Result;
        return text.Split("stressors:", 2).Last().Split([' ', '\n'], StringSplitOptions.RemoveEmptyEntries);
    }
}
