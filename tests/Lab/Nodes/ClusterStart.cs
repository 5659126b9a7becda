using System.Text.Json;
using OpenMosix.Lab.State;

namespace OpenMosix.Lab.Nodes;

/// <summary>Makes one cluster of the nodes, by the commands that a user would type.</summary>
internal static class ClusterStart
{
    internal static void Form(LabRecord lab, CancellationToken stop)
    {
        var first = lab.Nodes[0];
        NodeProgram.Run(lab, first.Name, "omctl", "init", "--name", lab.Name);
        var token = NodeProgram.Run(lab, first.Name, "omctl", "token").Trim();
        stop.ThrowIfCancellationRequested();
        AtOnce(lab.Nodes.Skip(1).Select(node => node.Name), node => NodeProgram.Run(lab, node, "omctl", "join", token, first.Address));
        AwaitEachOther(lab, lab.Nodes.Select(node => node.Name).ToArray());
    }

    /// <summary>Returns when each of these nodes says that all of them are alive.</summary>
    internal static void AwaitEachOther(LabRecord lab, IReadOnlyCollection<string> names) => AtOnce(names, name =>
    {
        // The first event says that none after it is missed; then the state, again after each event.
        using var events = NodeProgram.Start(lab, name, "omctl", "watch", "--json");
        do
        {
            if (events.StandardOutput.ReadLine() is null)
            {
                throw new LabException($"{name}: omctl watch ended while the nodes were still to meet\n{NodeLogs.Tail(new LabPaths(lab.Name), name)}");
            }
        }
        while (!names.All(Alive(lab, name).Contains));

        NodeProgram.End(events);
    });

    private static void AtOnce(IEnumerable<string> nodes, Action<string> action) =>
        Task.WhenAll(nodes.Select(node => Task.Factory.StartNew(
            () => action(node), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default))).GetAwaiter().GetResult();

    private static HashSet<string> Alive(LabRecord lab, string node)
    {
        using var reply = JsonDocument.Parse(NodeProgram.Run(lab, node, "omctl", "nodes", "--json"));
        return reply.RootElement.GetProperty("nodes").EnumerateArray()
            .Where(each => each.GetProperty("alive").GetBoolean()).Select(each => each.GetProperty("node").GetString()!).ToHashSet();
    }
}
