using OpenMosix.Lab.State;

namespace OpenMosix.Lab.Nodes;

/// <summary>Makes one cluster of the nodes, by the commands that a user would type.</summary>
internal static class ClusterStart
{
    internal static void Form(LabRecord lab, CancellationToken stop)
    {
        var first = lab.Nodes[0];
        NodeProgram.Run(lab, first.Name, "omctl", "init");
        foreach (var node in lab.Nodes.Skip(1))
        {
            stop.ThrowIfCancellationRequested();
            var token = NodeProgram.Run(lab, first.Name, "omctl", "token").Trim();
            NodeProgram.Run(lab, node.Name, "omctl", "join", token, first.Address);
        }
    }
}
