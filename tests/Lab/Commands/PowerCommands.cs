using System.CommandLine;
using OpenMosix.Lab.Nodes;
using OpenMosix.Lab.State;

namespace OpenMosix.Lab.Commands;

/// <summary>kill, start: of whole nodes. stop, restart: of a node's daemons; start too, when one is named.</summary>
internal static class PowerCommands
{
    internal static Command CreateKill()
    {
        var (node, name) = (Arguments.Node(), Arguments.Name());
        var command = new Command("kill", "Cut a node's power: every process dies at once, nobody is told") { node, name };
        command.SetLabAction(parsed =>
        {
            using var held = LabStore.Lock(parsed.GetValue(name)!);
            var lab = LabStore.Open(parsed.GetValue(name)!);
            NodeLauncher.Kill(lab, lab.Node(parsed.GetValue(node)!));
        });
        return command;
    }

    internal static Command CreateStart()
    {
        var (node, service, name) = (Arguments.Node(), OptionalService(), Arguments.Name());
        var command = new Command("start", "Start a killed node again, with its /etc/openmosix and /var/lib/openmosix; or a stopped service")
        {
            node, service, name,
        };
        command.SetLabAction(parsed =>
        {
            using var held = LabStore.Lock(parsed.GetValue(name)!);
            var lab = LabStore.Open(parsed.GetValue(name)!);
            var record = lab.Node(parsed.GetValue(node)!);
            if (parsed.GetValue(service) is { } which)
            {
                Ask(lab, record.Name, $"start {ServiceStatus.FullName(which)}");
                return;
            }

            if (ControlSocket.Find(new LabPaths(lab.Name), record.Name) is { } running)
            {
                running.Dispose();
                throw new LabException($"{record.Name} runs already");
            }

            NodeLauncher.Start(lab, record);
            if (!lab.Bare)
            {
                NodeLauncher.Boot(lab, record);
            }
        });
        return command;
    }

    internal static Command CreateStop()
    {
        var (node, service, name) = (Arguments.Node(), Service(), Arguments.Name());
        var command = new Command("stop", "Stop a node's daemon or warden, as systemctl stop would") { node, service, name };
        command.SetLabAction(parsed => Ask(LabStore.Open(parsed.GetValue(name)!), parsed.GetValue(node)!, $"stop {ServiceStatus.FullName(parsed.GetValue(service)!)}"));
        return command;
    }

    internal static Command CreateRestart()
    {
        var (node, service, name) = (Arguments.Node(), Service(), Arguments.Name());
        var kill = new Option<bool>("--kill") { Description = "By SIGKILL, not SIGTERM" };
        var command = new Command("restart", "Restart a node's daemon or warden; returns when it is ready again") { node, service, kill, name };
        command.SetLabAction(parsed => Ask(
            LabStore.Open(parsed.GetValue(name)!),
            parsed.GetValue(node)!,
            $"{(parsed.GetValue(kill) ? "kill" : "restart")} {ServiceStatus.FullName(parsed.GetValue(service)!)}"));
        return command;
    }

    private static void Ask(LabRecord lab, string node, string request)
    {
        using var init = ControlSocket.Open(new LabPaths(lab.Name), lab.Node(node).Name);
        init.Ask(request);
    }

    private static Argument<string> Service() => new("service") { Description = "daemon or warden", HelpName = "daemon|warden" };

    private static Argument<string?> OptionalService() =>
        new("service") { Description = "daemon or warden; the whole node if not given", HelpName = "daemon|warden", Arity = ArgumentArity.ZeroOrOne };
}
