using System.Globalization;
using System.Runtime.InteropServices;

namespace OpenMosix.Tools.Ctl.Doctor;

/// <summary>How this machine is set up.</summary>
internal static class SystemChecks
{
    public static IEnumerable<Check> All { get; } =
    [
        new("cgroup", true, "limits on what hosted bodies may use", Cgroup),
        new("pressure", false, "leaving before memory runs out is decided by what programs feel; without it by MemAvailable alone (psi=1 on the kernel's command line)", Pressure),
        new("pid-max", false, "room for the pids of other nodes' processes", PidMax),
        new("yama", false, "debuggers and the warden may stop processes of their user (2 and 3 leave it to root; the warden is root)", Yama),
        new("libssl", true, "encrypted links between nodes", LibSsl),
    ];

    private static Finding Cgroup()
    {
        if (File.Exists("/sys/fs/cgroup/cgroup.controllers"))
        {
            string controllers = File.ReadAllText("/sys/fs/cgroup/cgroup.controllers").Trim();
            return Finding.Of(controllers.Split(' ').Contains("memory"), $"v2: {(controllers.Length > 0 ? controllers : "no controllers")}");
        }
        string[] mounts = File.ReadAllLines("/proc/self/mounts");
        bool memory = mounts.Any(m => m.Split(' ') is [_, _, "cgroup", var options, ..] && options.Split(',').Contains("memory"));
        return Finding.Of(memory, memory ? "v1" : "no memory controller is mounted");
    }

    // CONFIG_PSI_DEFAULT_DISABLED: the file is there and cannot be read.
    private static Finding Pressure()
    {
        try
        {
            File.ReadAllText("/proc/pressure/memory");
            return Finding.Ok();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or NotSupportedException)
        {
            return Finding.Missing(e is FileNotFoundException or DirectoryNotFoundException ? "not in this kernel" : "switched off");
        }
    }

    private static Finding PidMax()
    {
        string text = File.ReadAllText("/proc/sys/kernel/pid_max").Trim();
        bool large = long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out long most) && most >= 4194304;
        return Finding.Of(large, large ? text : $"{text}; before Linux 6.14 a pid above it cannot be restored here: sysctl kernel.pid_max=4194304");
    }

    private static Finding Yama() =>
        File.Exists("/proc/sys/kernel/yama/ptrace_scope") ? Finding.Ok($"ptrace_scope {File.ReadAllText("/proc/sys/kernel/yama/ptrace_scope").Trim()}") : Finding.Ok("not in this kernel");

    private static Finding LibSsl()
    {
        if (!NativeLibrary.TryLoad("libssl.so.3", out IntPtr handle))
            return Finding.Missing("libssl.so.3 is not installed");
        NativeLibrary.Free(handle);
        return Finding.Ok("libssl.so.3");
    }
}
