using System.CommandLine;
using System.Globalization;
using OpenMosix.Lab.Interop;
using OpenMosix.Lab.Nodes;
using OpenMosix.Lab.State;

namespace OpenMosix.Lab.Commands;

internal static class ExecCommand
{
    internal static Command Create()
    {
        var node = Arguments.Node();
        var program = new Argument<string[]>("command")
        {
            Description = "Program and arguments, after --",
            HelpName = "CMD",
            Arity = ArgumentArity.OneOrMore,
        };
        var tty = new Option<bool>("--tty", "-t") { Description = "A terminal for the command even if stdin is none" };
        var noTty = new Option<bool>("--no-tty", "-T") { Description = "No terminal of its own even if stdin is one" };
        var user = new Option<string?>("--user", "-u") { Description = "As this user (name or uid)", HelpName = "USER" };
        var name = Arguments.Name();
        var command = new Command("exec", "Run a command inside a node: terminal, stdin, signals and exit status pass through")
        {
            node, program, tty, noTty, user, name,
        };
        command.SetLabAction(parsed =>
        {
            var lab = LabStore.Open(parsed.GetValue(name)!);
            var mode = parsed.GetValue(tty) ? "yes" : parsed.GetValue(noTty) ? "no" : "auto";
            var arguments = NodeProgram.EnterArguments(
                lab, lab.Node(parsed.GetValue(node)!).Name, mode, UserIds(parsed.GetValue(user)), parsed.GetValue(program)!);
            ProcessImage.Replace(Installation.Enter, arguments);
        });
        return command;
    }

    // uid:gid, from /etc/passwd, which is the host's and the node's.
    private static string? UserIds(string? user)
    {
        if (user is null)
        {
            return null;
        }

        foreach (var fields in File.ReadLines("/etc/passwd").Select(line => line.Split(':')).Where(fields => fields.Length >= 4))
        {
            if (fields[0] == user || fields[2] == user)
            {
                return $"{fields[2]}:{fields[3]}";
            }
        }

        return uint.TryParse(user, NumberStyles.None, CultureInfo.InvariantCulture, out var id)
            ? $"{id}:{id}"
            : throw new LabException($"--user: no user '{user}'");
    }
}
