namespace OpenMosix.Lab.State;

/// <summary>Where a lab's state lies on the host. Nodes do not see it: they have a /run of their own.</summary>
public sealed record LabPaths(string Name)
{
    public const string Root = "/run/omlab";

    /// <summary>Where the switch, which is no node, keeps its control socket.</summary>
    public const string Switch = "switch";

    public string Directory => Path.Combine(Root, Name);
    public string Record => Path.Combine(Directory, "lab.json");
    public string Lock => Path.Combine(Directory, "lock");

    public string Node(string node) => Path.Combine(Directory, node);
    public string Control(string node) => Path.Combine(Directory, node, "control");
    public string Logs(string node) => Path.Combine(Directory, node, "log");
}
