using System.CommandLine;
using OpenMosix.Protocol.V1;
using OpenMosix.Tools.Ctl.Output;

namespace OpenMosix.Tools.Ctl.Commands;

internal static class WhyCommand
{
    public static Command Make() =>
        Shared.Command("why", "Say whether a process could move, and if not: the reason, the object at fault, what to do (exit status 1: it cannot)", Shared.Pid)
            .Asks(async (parsed, daemon, cancellation) =>
            {
                int pid = parsed.GetRequiredValue(Shared.Pid);
                WhyReply reply = await daemon.WhyAsync(new WhyRequest { Pid = pid }, cancellation).ConfigureAwait(false);
                if (parsed.GetValue(Shared.Json))
                    PrintJson(pid, reply);
                else
                    PrintText(pid, reply);
                return reply.CanMove ? ExitStatus.Done : ExitStatus.Refused;
            });

    private static void PrintText(int pid, WhyReply reply)
    {
        Console.WriteLine(reply.CanMove
            ? $"process {pid} is at {reply.Where} and can move"
            : $"process {pid} stays at {reply.Where}: {reply.Refusal?.Name ?? "unknown"}");
        if (reply.Refusal is { } refusal && !reply.CanMove)
        {
            if (refusal.Object.Length > 0)
                Console.WriteLine($"  at fault    {Text.Clean(refusal.Object)}");
            if (refusal.Advice.Length > 0)
                Console.WriteLine($"  what to do  {Text.Clean(refusal.Advice)}");
        }
        if (reply.LastMove.Length > 0)
            Console.WriteLine($"  last move   {Text.Clean(reply.LastMove)}");
        foreach (CallCount call in reply.RefusedCalls)
            Console.WriteLine($"  refused     {Text.Clean(call.Name)} × {call.Count}");
    }

    private static void PrintJson(int pid, WhyReply reply) => JsonOutput.Print(w =>
    {
        w.WriteNumber("pid", pid);
        w.WriteBoolean("can_move", reply.CanMove);
        w.WriteString("where", reply.Where);
        if (reply.Refusal is { } refusal)
            MoveOutput.Write(w, "refusal", refusal);
        w.WriteString("last_move", reply.LastMove);
        w.Array("refused_calls", reply.RefusedCalls, call =>
        {
            w.WriteString("name", call.Name);
            w.WriteNumber("count", call.Count);
        });
    });
}
