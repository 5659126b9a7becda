using System.Text;

namespace OpenMosix.Lab.Tests.Lab;

/// <summary>Everything of a lab that could be left on the host, as text to compare.</summary>
internal static class Traces
{
    internal static string Take(string lab)
    {
        var text = new StringBuilder();
        Section("mounts", File.ReadLines("/proc/self/mountinfo"));
        Section("links", Directory.GetDirectories("/sys/class/net"));
        Section("cgroups", Directory.GetDirectories("/sys/fs/cgroup").Prepend("/sys/fs/cgroup").Select(each => Path.Combine(each, "omlab", lab)).Where(Directory.Exists));
        Section("state", Directory.Exists("/run/omlab") ? Directory.GetDirectories("/run/omlab", lab) : []);
        Section("mount points", new[] { "/etc/openmosix", "/var/lib/openmosix" }.Where(each => Directory.Exists(each) && !AnyLab()));
        Section("processes", Processes(lab));
        return text.ToString();

        void Section(string name, IEnumerable<string> lines) => text.Append(name).Append(":\n").AppendJoin('\n', lines.Order()).Append('\n');
    }

    private static bool AnyLab() => Directory.Exists("/run/omlab") && Directory.GetDirectories("/run/omlab").Length > 0;

    // What belongs to the lab is in its cgroups. A zombie holds nothing but its number, until the host's init reaps it.
    private static IEnumerable<string> Processes(string lab)
    {
        foreach (var process in Directory.GetDirectories("/proc").Where(each => char.IsAsciiDigit(Path.GetFileName(each)[0])))
        {
            string cgroups, stat;
            try
            {
                cgroups = File.ReadAllText(Path.Combine(process, "cgroup"));
                stat = File.ReadAllText(Path.Combine(process, "stat"));
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                continue; // it has ended
            }

            if (cgroups.Contains($"/omlab/{lab}/", StringComparison.Ordinal) && !stat.Contains(") Z ", StringComparison.Ordinal))
            {
                yield return process;
            }
        }
    }
}
