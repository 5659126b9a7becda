using System.CommandLine;

namespace OpenMosix.Tools.Ctl.Commands;

/// <summary>Options that every command knows.</summary>
internal static class Shared
{
    public static Option<bool> Json { get; } = new("--json") { Description = "Print JSON instead of text", Recursive = true };

    public static Option<string> RunDirectory { get; } = new("--run-dir")
    {
        Description = "Where the daemon's socket is ($OPENMOSIX_RUN)",
        HelpName = "DIR",
        Recursive = true,
        DefaultValueFactory = _ => Environment.GetEnvironmentVariable("OPENMOSIX_RUN") ?? "/run/openmosix",
    };

    public static Command Command(string name, string description, params Symbol[] parts)
    {
        var command = new Command(name, description);
        foreach (Symbol part in parts)
        {
            if (part is Option option)
                command.Options.Add(option);
            else if (part is Argument argument)
                command.Arguments.Add(argument);
        }
        return command;
    }

    /// <summary>A command that talks to the daemon.</summary>
    public static Command Asks(this Command command, Func<ParseResult, DaemonCalls, CancellationToken, Task<int>> action)
    {
        command.SetAction((parsed, cancellationToken) => DaemonCalls.RunAsync(
            parsed.GetRequiredValue(RunDirectory), parsed.GetValue(Json), calls => action(parsed, calls, cancellationToken), cancellationToken));
        return command;
    }

    public static Argument<int> Pid { get; } = new("PID")
    {
        Description = "Process id at home, on this node",
        Validators =
        {
            result =>
            {
                if (result.Tokens.Count == 1 && (!int.TryParse(result.Tokens[0].Value, out int pid) || pid <= 0))
                    result.AddError($"'{result.Tokens[0].Value}' is not a process id");
            },
        },
    };
}
