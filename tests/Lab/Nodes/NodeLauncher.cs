using System.Diagnostics;
using OpenMosix.Lab.Cgroups;
using OpenMosix.Lab.Network;
using OpenMosix.Lab.State;

namespace OpenMosix.Lab.Nodes;

/// <summary>Starts and kills one node, or the switch. /etc/openmosix and /var/lib/openmosix of a node live in its directory and stay.</summary>
internal static class NodeLauncher
{
    internal static void StartSwitch(LabRecord lab)
    {
        var paths = new LabPaths(lab.Name);
        Directory.CreateDirectory(paths.Logs(LabPaths.Switch));
        LabCgroups.CreateNode(lab, LabPaths.Switch, null);
        Launch(lab, "switch", LabPaths.Switch, []);
        using var control = ControlSocket.Open(paths, LabPaths.Switch);
        LabNetwork.CreateBridge(control.Pid);
    }

    /// <summary>Namespaces, mounts, cable. No daemon yet: that is <see cref="Boot"/>.</summary>
    internal static void Start(LabRecord lab, NodeRecord node)
    {
        var paths = new LabPaths(lab.Name);
        var directory = paths.Node(node.Name);
        foreach (var part in (string[])["etc", "var", "log", "cgroup"])
        {
            Directory.CreateDirectory(Path.Combine(directory, part));
        }

        File.WriteAllText(Path.Combine(directory, "hostname"), node.Name + "\n");
        File.WriteAllLines(Path.Combine(directory, "hosts"),
            ["127.0.0.1\tlocalhost", "::1\tlocalhost ip6-localhost ip6-loopback", .. lab.Nodes.Select(each => $"{each.Address}\t{each.Name}")]);
        LabCgroups.CreateNode(lab, node.Name, node.MemoryBytes);
        Launch(lab, "node", node.Name, ["--bin", lab.Bin]);
        using var port = ControlSocket.Open(paths, LabPaths.Switch);
        using var init = ControlSocket.Open(paths, node.Name);
        LabNetwork.Connect(port.Pid, init.Pid, node);
    }

    /// <summary>Starts the daemons and returns when both have said READY.</summary>
    internal static void Boot(LabRecord lab, NodeRecord node)
    {
        var paths = new LabPaths(lab.Name);
        using var init = ControlSocket.Open(paths, node.Name);
        try
        {
            init.Ask("boot");
        }
        catch (LabException e)
        {
            throw new LabException($"{e.Message}\n{NodeLogs.Tail(paths, node.Name)}", e);
        }
    }

    /// <summary>As a power cut: the cable is dead first, then everything is, at once.</summary>
    internal static void Kill(LabRecord lab, NodeRecord node)
    {
        var paths = new LabPaths(lab.Name);
        using var port = ControlSocket.Open(paths, LabPaths.Switch);
        using (var init = ControlSocket.Open(paths, node.Name))
        {
            LabNetwork.Unplug(port.Pid, node.Name);
            init.Process.KillAndWait();
        }

        var cgroups = lab.Cgroups.Select(directory => Path.Combine(directory, node.Name)).ToArray();
        LabCgroups.Kill(cgroups);
        Array.ForEach(cgroups, LabCgroups.RemoveBelow);
        LabNetwork.Remove(port.Pid, node.Name);
    }

    /// <summary>omlab-init returns when the node's control socket answers; else it has said why.</summary>
    private static void Launch(LabRecord lab, string kind, string name, string[] more)
    {
        string[] arguments =
        [
            kind, "--name", name, "--state", new LabPaths(lab.Name).Node(name), .. more,
            .. lab.Cgroups.Where(directory => directory != lab.Unified).SelectMany(directory => (string[])["--cgroup", Path.Combine(directory, name)]),
            .. lab.Unified is null ? Array.Empty<string>() : ["--unified", Path.Combine(lab.Unified, name)],
        ];
        var start = new ProcessStartInfo(Installation.Init, arguments)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        using var process = Process.Start(start)!;
        process.StandardInput.Close();
        var error = process.StandardError.ReadToEnd();
        process.WaitForExit();
        if (process.ExitCode != 0)
        {
            throw new LabException($"{name} could not be made: {error.Trim()}");
        }
    }
}
