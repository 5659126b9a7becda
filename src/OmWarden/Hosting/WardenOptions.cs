// What the warden is told: defaults, the environment, the command line; the last one wins. Node, certificates and the link's port
// come from the daemon (WardenConfigure).
namespace OpenMosix.Warden.Hosting;

internal sealed record WardenOptions
{
    internal string RunDirectory { get; init; } = "/run/openmosix";
    /// <summary>omcell.</summary>
    internal string CellHelper { get; init; } = "";
    internal bool Debug { get; init; }

    internal string Socket => Path.Combine(RunDirectory, "omwarden.sock");

    /// <summary>Tells apart the cells of wardens that share a cgroup: no two of them share a run directory in one mount namespace.</summary>
    internal string Instance => Convert.ToHexStringLower(
        System.Security.Cryptography.SHA256.HashData(System.Text.Encoding.UTF8.GetBytes(Environment.MachineName + ":" + Path.GetFullPath(RunDirectory))))[..8];
}

internal abstract record OptionsResult
{
    private OptionsResult() { }

    internal sealed record Good(WardenOptions Options) : OptionsResult;
    internal sealed record Print(string Text) : OptionsResult;
    internal sealed record Bad(string Message) : OptionsResult;
}

internal static class OptionsReader
{
    private const string Help = """
        Usage: omwarden [OPTION]...
        Freezes, restores and carries processes for openmosixd on this node. Started by systemd; decides nothing itself.

          --run DIRECTORY   where omwarden.sock is (default: $OPENMOSIX_RUN or /run/openmosix)
          --helper FILE     the cell's program (default: omcell of this installation)
          --debug           log every step
          --help            this text
          --version         the version
        """;

    internal static OptionsResult Read(IReadOnlyList<string> arguments, Func<string, string?> environment)
    {
        var options = new WardenOptions();
        if (environment("OPENMOSIX_RUN") is { Length: > 0 } run)
            options = options with { RunDirectory = run };
        for (int i = 0; i < arguments.Count; i++)
        {
            string argument = arguments[i];
            string? value = null;
            if (argument.Split('=', 2) is [{ } name, { } given])
                (argument, value) = (name, given);
            if (argument is "--help")
                return new OptionsResult.Print(Help);
            if (argument is "--version")
                return new OptionsResult.Print($"omwarden {typeof(OptionsReader).Assembly.GetName().Version?.ToString(3)}");
            if (argument is "--debug" && value is null)
            {
                options = options with { Debug = true };
                continue;
            }
            if (argument is not ("--run" or "--helper"))
                return new OptionsResult.Bad($"unknown option '{argument}' (--help lists them)");
            if (value is null && ++i < arguments.Count)
                value = arguments[i];
            if (string.IsNullOrEmpty(value))
                return new OptionsResult.Bad($"{argument} needs a path");
            options = argument == "--run" ? options with { RunDirectory = value } : options with { CellHelper = value };
        }
        if (options.CellHelper.Length == 0)
            options = options with { CellHelper = FindHelper() };
        return File.Exists(options.CellHelper)
            ? new OptionsResult.Good(options)
            : new OptionsResult.Bad($"no cell helper at '{options.CellHelper}': build it (make) or name it with --helper");
    }

    // Installed: beside this program or in ../lib/openmosix. In the source tree the program lies in out/dotnet/bin/OmWarden/release and omcell in out/lib.
    private static string FindHelper()
    {
        for (DirectoryInfo? folder = new(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
            foreach (string below in (string[])["omcell", "lib/openmosix/omcell", "lib/omcell"])
                if (File.Exists(Path.Combine(folder.FullName, below)))
                    return Path.Combine(folder.FullName, below);
        return Path.Combine(AppContext.BaseDirectory, "omcell");
    }
}
