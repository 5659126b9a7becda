// The command line as a whole: what there is, and how mistakes in it end.
using System.CommandLine;
using System.Runtime.InteropServices;
using OpenMosix.Tools.Ctl.Commands;

namespace OpenMosix.Tools.Ctl;

public static class OmCtl
{
    public static RootCommand Make() => new("""
        Sees and moves the processes of an OpenMosix cluster, from any node.

        Exit status: 0 done; 1 refused or failed; 2 wrong usage; 3 the daemon of this node cannot be reached;
        4 no such process or node; 5 not permitted; 130 interrupted; 143 terminated.
        """)
    {
        Shared.Json,
        Shared.RunDirectory,
        NodesCommand.Make(),
        ProcessesCommand.Make(),
        MigrateCommand.Make(),
        WhyCommand.Make(),
        WatchCommand.Make(),
        DoctorCommand.Make(),
        InitCommand.Make(),
        TokenCommand.Make(),
        JoinCommand.Make(),
    };

    public static async Task<int> RunAsync(string[] arguments)
    {
        // Since .NET 10 the runtime leaves SIGTERM to the kernel, and its own files in /tmp behind.
        using var terminated = PosixSignalRegistration.Create(PosixSignal.SIGTERM, _ => Environment.Exit(ExitStatus.Terminated));
        ParseResult parsed = Make().Parse(arguments);
        if (parsed.Errors.Count > 0)
        {
            foreach (string message in parsed.Errors.Select(e => e.Message).Distinct())
                await Console.Error.WriteLineAsync($"omctl: {message}").ConfigureAwait(false);
            string command = parsed.CommandResult.Command is RootCommand ? "omctl" : $"omctl {parsed.CommandResult.Command.Name}";
            await Console.Error.WriteLineAsync($"Try '{command} --help'.").ConfigureAwait(false);
            return ExitStatus.Usage;
        }
        return await parsed.InvokeAsync(new InvocationConfiguration { EnableDefaultExceptionHandler = false, ProcessTerminationTimeout = null }).ConfigureAwait(false);
    }
}
