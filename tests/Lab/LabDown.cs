using OpenMosix.Lab.Cgroups;
using OpenMosix.Lab.Nodes;
using OpenMosix.Lab.State;

namespace OpenMosix.Lab;

/// <summary>
/// Removes a lab in whatever state it is: whole, half made by an omlab that crashed, half removed. Every process of it is in its cgroups;
/// namespaces, mounts and links live and die with those processes; the rest is one directory. If that was removed first, the cgroups tell.
/// </summary>
internal static class LabDown
{
    internal static void Run(string name)
    {
        if (LabCgroups.Of(name).Count > 0)
        {
            Directory.CreateDirectory(new LabPaths(name).Directory);
        }

        using (LabStore.Lock(name))
        {
            Remove(name);
        }
    }

    internal static void Remove(string name)
    {
        if (LabStore.Find(name) is { } lab)
        {
            foreach (var node in lab.Nodes.Select(node => node.Name).Append(LabPaths.Switch))
            {
                // pid 1 first: the kernel then ends the whole node at once.
                using var init = ControlSocket.Find(new LabPaths(name), node);
                init?.Process.KillAndWait();
            }

        }

        var cgroups = LabCgroups.Of(name);
        LabCgroups.Kill(cgroups);
        LabCgroups.Remove(cgroups);
        LabStore.Remove(name);
    }
}
