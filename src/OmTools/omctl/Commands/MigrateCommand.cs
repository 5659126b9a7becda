using System.CommandLine;
using OpenMosix.Protocol.V1;
using OpenMosix.Tools.Ctl.Output;

namespace OpenMosix.Tools.Ctl.Commands;

internal static class MigrateCommand
{
    private static readonly Argument<string> s_node = new("NODE") { Description = "Where to: a node of `omctl nodes`, or 'home'" };

    public static Command Make() =>
        Shared.Command("migrate", "Move a process to another node, or home; waits, and reports the time of each stage", Shared.Pid, s_node).Asks(async (parsed, daemon, cancellation) =>
        {
            int pid = parsed.GetRequiredValue(Shared.Pid);
            MigrateReply reply = await daemon
                .MigrateAsync(new MigrateRequest { Pid = pid, Node = parsed.GetRequiredValue(s_node) }, cancellation)
                .ConfigureAwait(false);
            StageTimes times = reply.Times ?? new StageTimes();
            if (parsed.GetValue(Shared.Json))
                PrintJson(pid, reply, times);
            else if (reply.Moved)
                PrintText(pid, reply, times);
            else
                Console.Error.WriteLine($"omctl: process {pid} was not moved and runs on at {reply.From}: {MoveOutput.Sentence(reply.Failure ?? new Failure())}");
            return reply.Moved ? ExitStatus.Done : ExitStatus.Refused;
        });

    private static void PrintText(int pid, MigrateReply reply, StageTimes times)
    {
        Console.WriteLine($"process {pid} moved from {reply.From} to {reply.To}: {Text.Bytes(times.Bytes)}, stood still for {Text.Milliseconds(times.StallUs)}");
        foreach ((string stage, ulong microseconds) in MoveOutput.Stages(times))
            Console.WriteLine($"  {stage,-9}{Text.Milliseconds(microseconds),12}");
    }

    private static void PrintJson(int pid, MigrateReply reply, StageTimes times) => JsonOutput.Print(w =>
    {
        w.WriteNumber("pid", pid);
        w.WriteBoolean("moved", reply.Moved);
        w.WriteString("from", reply.From);
        w.WriteString("to", reply.To);
        MoveOutput.Write(w, times);
        if (reply.Failure is { } failure)
        {
            w.WriteStartObject("failure");
            w.WriteString("stage", failure.Stage);
            w.WriteString("message", failure.Message);
            w.WriteNumber("errno", failure.Errno);
            if (failure.Refusal is { } refusal)
                MoveOutput.Write(w, "refusal", refusal);
            w.WriteEndObject();
        }
    });
}
