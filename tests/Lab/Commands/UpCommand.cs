using System.CommandLine;
using OpenMosix.Lab.State;

namespace OpenMosix.Lab.Commands;

internal static class UpCommand
{
    internal static Command Create()
    {
        var count = new Argument<int>("nodes") { Description = "How many: pc1, pc2, ...", HelpName = "NODES" };
        var memory = new Option<string?>("--memory") { Description = "Memory of each node, one for all or one each: 512M,2G,2G", HelpName = "SIZES" };
        var bare = new Option<bool>("--bare") { Description = "Nodes without daemons" };
        var name = Arguments.Name();
        var command = new Command("up", "Make a lab: nodes on a network of their own, in one cluster") { count, memory, bare, name };
        command.SetLabAction((parsed, stop) =>
        {
            var lab = LabUp.Run(parsed.GetValue(name)!, parsed.GetValue(count), parsed.GetValue(memory), parsed.GetValue(bare), stop);
            foreach (var node in lab.Nodes)
            {
                Console.WriteLine($"{node.Name}  {node.Address}  {(node.MemoryBytes is { } bytes ? MemorySize.Format(bytes) : "no limit")}");
            }

            return 0;
        });
        return command;
    }
}
