using System.CommandLine;
using System.Globalization;
using OpenMosix.Protocol.V1;
using OpenMosix.Tools.Ctl.Output;
using Spectre.Console;
using Text = OpenMosix.Tools.Ctl.Output.Text;

namespace OpenMosix.Tools.Ctl.Commands;

internal static class ProcessesCommand
{
    private static readonly Option<bool> s_all = new("--all", "-a") { Description = "Other users' processes too (root)" };

    public static Command Make() => Shared.Command("ps", "List the processes of jobs: where they are and how they got there", s_all).Asks(async (parsed, daemon, cancellation) =>
    {
        ProcessesReply reply = await daemon.ProcessesAsync(new ProcessesRequest { AllUsers = parsed.GetValue(s_all) }, cancellation).ConfigureAwait(false);
        if (parsed.GetValue(Shared.Json))
            PrintJson(reply);
        else
            PrintText(reply);
        return ExitStatus.Done;
    });

    private static void PrintText(ProcessesReply reply)
    {
        Table table = Text.Columns(
            ("PID", true), ("USER", true), ("STATE", false), ("HOME", false), ("WHERE", false), ("MEMORY", true), ("MOVES", true), ("CALLS", true), ("COMMAND", false));
        foreach (ProcessStatus process in reply.Processes)
        {
            table.Row(
                process.Pid.ToString(CultureInfo.InvariantCulture), process.Uid.ToString(CultureInfo.InvariantCulture), process.State, process.Home, process.Where,
                Text.Bytes(process.ResidentBytes), process.Moves.ToString(CultureInfo.InvariantCulture),
                process.ForwardedCalls.ToString(CultureInfo.InvariantCulture), process.Command);
        }
        Text.Print(table);
    }

    private static void PrintJson(ProcessesReply reply) => JsonOutput.Print(w => w.Array("processes", reply.Processes, process =>
    {
        w.WriteNumber("pid", process.Pid);
        w.WriteString("command", process.Command);
        w.WriteNumber("uid", process.Uid);
        w.WriteString("job", process.Job);
        w.WriteString("home", process.Home);
        w.WriteString("where", process.Where);
        w.WriteString("state", process.State);
        w.WriteNumber("resident_bytes", process.ResidentBytes);
        w.WriteNumber("epoch", process.Epoch);
        w.WriteNumber("moves", process.Moves);
        w.WriteNumber("forwarded_calls", process.ForwardedCalls);
        w.WriteString("last_move", process.LastMove);
    }));
}
