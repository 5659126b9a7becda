using System.CommandLine;
using System.Text.Json;
using System.Text.Json.Serialization;
using OpenMosix.Lab.Cgroups;
using OpenMosix.Lab.Nodes;
using OpenMosix.Lab.State;
using Spectre.Console;

namespace OpenMosix.Lab.Commands;

internal static class StatusCommand
{
    internal static Command Create()
    {
        var name = Arguments.Name();
        var json = new Option<bool>("--json") { Description = "For programs" };
        var command = new Command("status", "Nodes, their daemons, memory and links") { name, json };
        command.SetLabAction(parsed =>
        {
            var status = Collect(LabStore.Open(parsed.GetValue(name)!));
            if (parsed.GetValue(json))
            {
                Console.WriteLine(JsonSerializer.Serialize(status, StatusJson.Default.LabStatus));
            }
            else
            {
                Print(status);
            }
        });
        return command;
    }

    private static LabStatus Collect(LabRecord lab)
    {
        var paths = new LabPaths(lab.Name);
        var nodes = lab.Nodes.Select(node =>
        {
            using var init = ControlSocket.Find(paths, node.Name);
            return new NodeStatus(
                node.Name, init is not null, node.Address, node.MemoryBytes, LabCgroups.MemoryUsage(lab, node.Name), node.Rate, init?.Pid,
                init?.Ask("status").Select(ServiceStatus.Parse).ToArray() ?? []);
        }).ToArray();
        using var port = ControlSocket.Find(paths, LabPaths.Switch);
        var cuts = port?.Ask("cuts").Select(line => line.Split('\t')).ToArray() ?? [];
        return new LabStatus(lab.Name, port is not null, nodes, cuts);
    }

    private static void Print(LabStatus status)
    {
        var table = new Table().Border(TableBorder.None).AddColumns("NODE", "POWER", "ADDRESS", "MEMORY", "RATE", "WARDEN", "DAEMON");
        foreach (var node in status.Nodes)
        {
            table.AddRow(
                node.Name, node.Running ? "on" : "off", node.Address, Memory(node), node.Rate ?? "-", Service(node, "omwarden"), Service(node, "openmosixd"));
        }

        // A pipe has no width: nothing is to be wrapped there.
        if (Console.IsOutputRedirected)
        {
            AnsiConsole.Profile.Width = 200;
        }

        AnsiConsole.Write(table);
        foreach (var cut in status.Cuts)
        {
            Console.WriteLine($"cut: {cut[0]} - {cut[1]}");
        }

        if (!status.Switch)
        {
            Console.WriteLine("the switch does not run: omlab down, then up");
        }
    }

    private static string Memory(NodeStatus node) =>
        $"{(node.MemoryUsedBytes is { } used ? MemorySize.Format(used) : "?")} of {(node.MemoryBytes is { } limit ? MemorySize.Format(limit) : "the host's")}";

    private static string Service(NodeStatus node, string name) =>
        node.Services.FirstOrDefault(service => service.Name == name) is { } found ? $"{found.State}, pid {found.Pid}" : "-";
}

/// <param name="Cuts">Pairs of node names.</param>
public sealed record LabStatus(string Name, bool Switch, IReadOnlyList<NodeStatus> Nodes, IReadOnlyList<string[]> Cuts);

/// <param name="InitPid">The node's pid 1, as the host numbers it.</param>
public sealed record NodeStatus(
    string Name, bool Running, string Address, long? MemoryBytes, long? MemoryUsedBytes, string? Rate, int? InitPid, IReadOnlyList<ServiceStatus> Services);

[JsonSourceGenerationOptions(WriteIndented = true, PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(LabStatus))]
internal sealed partial class StatusJson : JsonSerializerContext;
