using System.CommandLine;

namespace OpenMosix.Tools.Ctl.Commands;

internal static class DoctorCommand
{
    public static Command Make()
    {
        Command command = Shared.Command("doctor", "Probe what this kernel and CPU offer and say what it enables; needs no daemon. Exit status 1 if something needed is missing");
        command.SetAction(_ => ExitStatus.Done);
        return command;
    }
}
