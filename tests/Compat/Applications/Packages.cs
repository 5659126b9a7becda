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

    /// <summary>Unpacks Debian's source of a package below a directory, as NAME-VERSION. The machine's own list of sources stays as it is.</summary>
    /// <returns>Whether it is there.</returns>
    internal static bool Unpack(string name, string directory)
    {
        Directory.CreateDirectory(Path.Combine(directory, "lists", "partial"));
        File.WriteAllText(Path.Combine(directory, "sources.list"), "deb-src http://deb.debian.org/debian bookworm main\n");
        string[] options =
        [
            "-o", $"Dir::Etc::sourcelist={directory}/sources.list", "-o", "Dir::Etc::sourceparts=-", "-o", $"Dir::State::lists={directory}/lists",
            "-o", "Dir::Cache::pkgcache=", "-o", "Dir::Cache::srcpkgcache=", "-o", "APT::Sandbox::User=root",
        ];
        Ask("apt-get", [.. options, "-q", "update"], directory);
        Ask("apt-get", [.. options, "-q", "source", name], directory);
        return Directory.GetDirectories(directory, $"{name}-*").Length > 0;
    }

    private static bool Succeeds(IEnumerable<string> names)
    {
        using var apt = Start("apt-get", ["install", "-y", "-q", "--no-install-recommends", .. names]);
        apt.StandardOutput.ReadToEnd();
        apt.WaitForExit();
        return apt.ExitCode == 0;
    }

    private static string Ask(string program, IEnumerable<string> arguments, string directory = "/")
    {
        using var process = Start(program, arguments, directory);
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return output;
    }

    private static Process Start(string program, IEnumerable<string> arguments, string directory = "/")
    {
        var start = new ProcessStartInfo(program, arguments) { WorkingDirectory = directory, RedirectStandardOutput = true, RedirectStandardError = true };
        start.Environment["DEBIAN_FRONTEND"] = "noninteractive";
        var process = Process.Start(start)!;
        _ = process.StandardError.ReadToEndAsync(); // so that it never waits for us
        return process;
    }
}
