using System.CommandLine;
using System.Globalization;
using OpenMosix.Protocol.V1;
using OpenMosix.Tools.Ctl.Output;
using Spectre.Console;
using Text = OpenMosix.Tools.Ctl.Output.Text;

namespace OpenMosix.Tools.Ctl.Commands;

internal static class NodesCommand
{
    public static Command Make() => Shared.Command("nodes", "List the nodes of the cluster, their load and memory").Asks(async (parsed, daemon, cancellation) =>
    {
        NodesReply reply = await daemon.NodesAsync(cancellation).ConfigureAwait(false);
        if (parsed.GetValue(Shared.Json))
            PrintJson(reply);
        else
            PrintText(reply);
        return ExitStatus.Done;
    });

    private static void PrintText(NodesReply reply)
    {
        Table table = Text.Columns(
            ("NODE", false), ("STATE", false), ("ADDRESS", false), ("CPUS", true), ("LOAD", true), ("MEMORY", true), ("AVAILABLE", true), ("HOSTED", true), ("AWAY", true));
        foreach (NodeStatus node in reply.Nodes)
        {
            Load load = node.Info.Load ?? new Load();
            table.Row(
                node.Info.Node + (node.Info.Node == reply.Self ? " *" : ""), State(node), node.Info.Address, load.Cpus.ToString(CultureInfo.InvariantCulture),
                load.Load1.ToString("0.00", CultureInfo.InvariantCulture), Text.Bytes(load.MemoryTotalBytes), Text.Bytes(load.MemoryAvailableBytes),
                load.Hosted.ToString(CultureInfo.InvariantCulture), load.Away.ToString(CultureInfo.InvariantCulture));
        }
        Text.Print(table);
    }

    private static string State(NodeStatus node) =>
        !node.Alive ? $"down {Text.Number(node.SilentMs / 1000.0, "0", "s")}" : node.Info.Accepts ? "up" : "up, takes none";

    private static void PrintJson(NodesReply reply) => JsonOutput.Print(w =>
    {
        w.WriteString("self", reply.Self);
        w.Array("nodes", reply.Nodes, node =>
        {
            Load load = node.Info.Load ?? new Load();
            w.WriteString("node", node.Info.Node);
            w.WriteBoolean("alive", node.Alive);
            w.WriteNumber("silent_ms", node.SilentMs);
            w.WriteString("address", node.Info.Address);
            w.WriteNumber("daemon_port", node.Info.DaemonPort);
            w.WriteNumber("link_port", node.Info.LinkPort);
            w.WriteNumber("cpus", load.Cpus);
            w.WriteNumber("load1", load.Load1);
            w.WriteNumber("memory_total_bytes", load.MemoryTotalBytes);
            w.WriteNumber("memory_available_bytes", load.MemoryAvailableBytes);
            w.WriteNumber("memory_pressure", load.MemoryPressure);
            w.WriteNumber("hosted", load.Hosted);
            w.WriteNumber("away", load.Away);
            w.WriteBoolean("accepts", node.Info.Accepts);
            w.WriteString("version", node.Info.Version);
            w.WriteString("kernel_release", node.Info.KernelRelease);
        });
    });
}
