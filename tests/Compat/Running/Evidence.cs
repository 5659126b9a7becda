using System.Text;
using System.Text.Json;

namespace OpenMosix.Compat.Running;

/// <summary>Of a run that does not end: what the daemon and the kernel say of its processes, before they are killed.</summary>
internal static class Evidence
{
    private const string OfKernel = """
        for process in /proc/[0-9]*; do
            [ -e $process/exe ] || continue
            echo "== ${process#/proc/} $(tr '\0' ' ' < $process/cmdline | cut -c -200)"
            grep -E '^(State|PPid|Tgid|Threads|SigQ|SigPnd|ShdPnd|SigBlk|SigIgn|SigCgt)' $process/status | tr '\n' ' '
            for thread in $process/task/*; do echo; echo "-- ${thread##*/} $(cat $thread/wchan) $(cat $thread/syscall)"; head -5 $thread/stack; done
        done 2>/dev/null
        """;

    internal static string OfHang(HomeNode node)
    {
        var text = new StringBuilder();
        var list = node.Ask("omctl", "ps", "--all", "--json");
        text.AppendLine(list);
        foreach (var pid in Pids(list))
        {
            text.Append("omctl why ").Append(pid).Append(": ").AppendLine(node.Ask("omctl", "why", $"{pid}"));
        }

        text.AppendLine(node.Ask("sh", "-c", OfKernel));
        return text.ToString();
    }

    private static IEnumerable<int> Pids(string list)
    {
        try
        {
            using var reply = JsonDocument.Parse(list);
            return [.. reply.RootElement.GetProperty("processes").EnumerateArray().Select(process => process.GetProperty("pid").GetInt32())];
        }
        catch (JsonException)
        {
            return []; // the daemon does not answer; its words are in the list's place
        }
    }
}
