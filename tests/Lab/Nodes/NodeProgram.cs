using System.Diagnostics;
using OpenMosix.Lab.Interop;
using OpenMosix.Lab.State;

namespace OpenMosix.Lab.Nodes;

/// <summary>How a program is run inside a node: by omlab-enter, which is then that program to its caller.</summary>
internal static class NodeProgram
{
    internal static string[] EnterArguments(LabRecord lab, string node, string tty, string? user, IEnumerable<string> command) =>
    [
        "--control", new LabPaths(lab.Name).Control(node), "--path", lab.Bin, "--tty", tty,
        .. lab.Cgroups.SelectMany(directory => (string[])["--cgroup", Path.Combine(directory, node, "session")]),
        .. user is null ? Array.Empty<string>() : ["--user", user],
        "--", .. command,
    ];

    /// <summary>Its stdin is empty, its stdout and stderr are the caller's to read.</summary>
    internal static Process Start(LabRecord lab, string node, params IReadOnlyList<string> command)
    {
        var start = new ProcessStartInfo(Installation.Enter, EnterArguments(lab, node, "no", null, command))
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        var process = Process.Start(start)!;
        process.StandardInput.Close();
        return process;
    }

    /// <summary>SIGTERM, which omlab-enter passes on; SIGKILL would leave the program behind.</summary>
    internal static void End(Process process)
    {
        _ = LibC.Kill(process.Id, LibC.SigTerm);
        process.WaitForExit();
    }

    /// <returns>What it wrote to stdout.</returns>
    internal static string Run(LabRecord lab, string node, params IReadOnlyList<string> command)
    {
        using var process = Start(lab, node, command);
        var error = process.StandardError.ReadToEndAsync();
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return process.ExitCode == 0
            ? output
            : throw new LabException(
                $"{node}: {string.Join(' ', command)}: status {process.ExitCode}: {error.Result.Trim()} {output.Trim()}\n"
                + NodeLogs.Tail(new LabPaths(lab.Name), node));
    }
}
