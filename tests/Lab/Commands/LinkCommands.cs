using System.CommandLine;
using OpenMosix.Lab.Network;
using OpenMosix.Lab.Nodes;
using OpenMosix.Lab.State;

namespace OpenMosix.Lab.Commands;

/// <summary>cut, heal, rate.</summary>
internal static class LinkCommands
{
    internal static Command CreateCut() => CreatePair("cut", "Nothing passes between two nodes any more; their other links stay");

    internal static Command CreateHeal() => CreatePair("heal", "Undo cut");

    internal static Command CreateRate()
    {
        var (node, name) = (Arguments.Node(), Arguments.Name());
        var rate = new Argument<string>("rate") { Description = "1gbit, 100mbit, 512kbit; none for unlimited", HelpName = "RATE" };
        var command = new Command("rate", "Limit a node's network, both ways") { node, rate, name };
        command.SetLabAction(parsed =>
        {
            using var held = LabStore.Lock(parsed.GetValue(name)!);
            var lab = LabStore.Open(parsed.GetValue(name)!);
            var limit = parsed.GetValue(rate)! is var text && text == "none" ? null : text;
            if (limit is not null)
            {
                _ = LinkRate.BytesPerSecond(limit);
            }

            var changed = lab.Node(parsed.GetValue(node)!) with { Rate = limit };
            using var port = ControlSocket.Open(new LabPaths(lab.Name), LabPaths.Switch);
            using (var init = ControlSocket.Find(new LabPaths(lab.Name), changed.Name))
            {
                if (init is not null)
                {
                    LabNetwork.SetRate(port.Pid, init.Pid, changed);
                }
            }

            // A node that is off gets it when it starts.
            LabStore.Save(lab with { Nodes = lab.Nodes.Select(each => each.Name == changed.Name ? changed : each).ToArray() });
        });
        return command;
    }

    private static Command CreatePair(string verb, string description)
    {
        var (a, b, name) = (Arguments.Node("a"), Arguments.Node("b"), Arguments.Name());
        var command = new Command(verb, description) { a, b, name };
        command.SetLabAction(parsed =>
        {
            var lab = LabStore.Open(parsed.GetValue(name)!);
            var (first, second) = (lab.Node(parsed.GetValue(a)!), lab.Node(parsed.GetValue(b)!));
            if (first == second)
            {
                throw new LabException($"{verb} needs two different nodes");
            }

            using var port = ControlSocket.Open(new LabPaths(lab.Name), LabPaths.Switch);
            port.Ask($"{verb} {first.Name} {second.Name}");
        });
        return command;
    }
}
