using System.Diagnostics;

namespace OpenMosix.Compat.Applications;

/// <summary>Debian's packages. What they bring as services is not started.</summary>
internal static class Packages
{
    private const string Policy = "/usr/sbin/policy-rc.d";

    /// <returns>Version of each that is installed.</returns>
    internal static IReadOnlyDictionary<string, string> Versions(IEnumerable<string> names) =>
        Ask("dpkg-query", ["-W", "-f", "${Package} ${db:Status-Status} ${Version}\n", .. names]).Split('\n')
            .Select(line => line.Split(' ')).Where(fields => fields is [_, "installed", _]).ToDictionary(fields => fields[0], fields => fields[2]);

    /// <summary>Installs what is missing, as far as that is possible: who needs what is still missing is not run, and says so.</summary>
    internal static void Install(IReadOnlyCollection<string> names)
    {
        var there = Versions(names);
        string[] missing = [.. names.Where(name => !there.ContainsKey(name))];
        if (missing.Length == 0)
        {
            return;
        }

        Console.WriteLine($"installing {string.Join(' ', missing)}");
        var keep = File.Exists(Policy);
        if (!keep)
        {
            // invoke-rc.d(8): 101 forbids.
            File.WriteAllText(Policy, "#!/bin/sh\nexit 101\n");
            File.SetUnixFileMode(Policy, (UnixFileMode)0b111_101_101);
        }

        try
        {
            if (!Succeeds(missing))
            {
                Ask("apt-get", ["update", "-q"]);
                // One that is not to be had must not keep the others away.
                Array.ForEach(missing, name => Succeeds([name]));
            }
        }
        finally
        {
            if (!keep)
            {
                File.Delete(Policy);
            }
        }
    }

    private static bool Succeeds(IEnumerable<string> names)
    {
        using var apt = Start("apt-get", ["install", "-y", "-q", "--no-install-recommends", .. names]);
        apt.StandardOutput.ReadToEnd();
        apt.WaitForExit();
        return apt.ExitCode == 0;
    }

    private static string Ask(string program, IEnumerable<string> arguments)
    {
        using var process = Start(program, arguments);
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return output;
    }

    private static Process Start(string program, IEnumerable<string> arguments)
    {
        var start = new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true };
        start.Environment["DEBIAN_FRONTEND"] = "noninteractive";
        var process = Process.Start(start)!;
        _ = process.StandardError.ReadToEndAsync(); // so that it never waits for us
        return process;
    }
}
