// omrun's command line. No option takes a separate value: so omrun finds the command also when no daemon answers.
using System.Text.Json;
using OpenMosix.Daemon.Hosting;

namespace OpenMosix.Daemon.Jobs;

/// <param name="Command">Index of the command in omrun's argv.</param>
/// <param name="Stay">Never moved by itself, only when asked.</param>
/// <param name="Follow">What it executes while it is away is moved there.</param>
internal sealed record RunOptions(int Command, bool Stay, bool Follow)
{
    /// <summary>omrun's own failures, as env(1) has it; 126 and 127 say why a command was not executed.</summary>
    public const int OwnFailure = 125;

    private const string Help = """
        Usage: omrun [OPTION]... [--] COMMAND [ARGUMENT]...
        Runs COMMAND so that it can move, while it runs, to a node with room: same PID, terminal, parent and environment.

          --stay        never move it by itself, only when `omctl migrate` asks
          --follow      a program that it executes while it is away is moved there, too
                        (else it goes on here)
          --must        do not run COMMAND when the daemon does not answer (else it runs here, with one line said)
          --json        errors of omrun itself as one line of JSON, on standard error
          --help        print this
          --version     print the version

        Exit status: that of COMMAND; 127 it was not found, 126 it could not be executed, 125 omrun failed.

        """;

    /// <summary>Either the options, or what omrun prints and ends with.</summary>
    public static (RunOptions? Options, OmrunReply.Exit? Exit) Parse(IReadOnlyList<string> arguments)
    {
        bool stay = false, follow = false, json = arguments.Skip(1).TakeWhile(argument => argument.StartsWith('-') && argument != "--").Contains("--json");
        for (int i = 1; i < arguments.Count; i++)
        {
            switch (arguments[i])
            {
                case "--":
                    return i + 1 < arguments.Count ? (new RunOptions(i + 1, stay, follow), null) : (null, Wrong("no-command", "a command is missing", json));
                case "--help" or "-h":
                    return (null, new OmrunReply.Exit(0, Output: Help));
                case "--version":
                    return (null, new OmrunReply.Exit(0, Output: $"omrun {ProductVersion.Text}\n"));
                case "--stay":
                    stay = true;
                    break;
                case "--follow":
                    follow = true;
                    break;
                case "--json" or "--must":
                    break;
                case ['-', ..] unknown:
                    return (null, Wrong("unknown-option", $"unknown option '{unknown}'", json));
                default:
                    return (new RunOptions(i, stay, follow), null);
            }
        }
        return (null, Wrong("no-command", "a command is missing", json));
    }

    public static OmrunReply.Exit Wrong(string name, string message, bool json) => new(OwnFailure, Error: json
        ? $$$"""{"error":{"name":"{{{name}}}","message":"{{{JsonEncodedText.Encode(message)}}}"}}""" + "\n"
        : $"omrun: {message}; `omrun --help` tells more\n");
}
