using OpenMosix.Daemon.Cluster;
using OpenMosix.Protocol.V1;

namespace OpenMosix.Daemon.Tests.Fakes;

internal sealed class FakeCluster(string self, params string[] others) : IClusterView, ILoadReader
{
    private readonly Dictionary<string, NodeStatus> _nodes = others.Append(self).ToDictionary(node => node, node => new NodeStatus
    {
        Alive = true,
        Info = new NodeInfo { Node = node, Address = "127.0.0.1", Accepts = true, Load = Roomy() },
    });

    public event Action<NodeStatus>? NodeChanged;

    public NodeInfo Self => _nodes[self].Info;

    public IReadOnlyList<NodeStatus> Nodes => [.. _nodes.Values.OrderBy(node => node.Info.Node, StringComparer.Ordinal)];

    public NodeStatus? Find(string node) => _nodes.GetValueOrDefault(node);

    public Task RefreshAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Load Read() => Self.Load;

    public void Change(string node, Action<NodeStatus> change)
    {
        change(_nodes[node]);
        NodeChanged?.Invoke(_nodes[node]);
    }

    private static Load Roomy() => new() { Cpus = 2, MemoryTotalBytes = 8UL << 30, MemoryAvailableBytes = 6UL << 30 };
}
