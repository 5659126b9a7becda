using System.CommandLine;
using OpenMosix.Lab.State;

namespace OpenMosix.Lab.Commands;

internal static class DownCommand
{
    internal static Command Create()
    {
        var name = Arguments.Name();
        var all = new Option<bool>("--all") { Description = "Every lab of this machine" };
        var command = new Command("down", "Remove a lab; nothing is left of it") { name, all };
        command.SetLabAction(parsed =>
        {
            foreach (var lab in parsed.GetValue(all) ? LabStore.Names() : [parsed.GetValue(name)!])
            {
                LabDown.Run(lab);
            }
        });
        return command;
    }

    internal static Command CreateList()
    {
        var command = new Command("list", "Names of the labs that are up");
        command.SetLabAction(_ => LabStore.Names().ToList().ForEach(Console.WriteLine));
        return command;
    }
}
