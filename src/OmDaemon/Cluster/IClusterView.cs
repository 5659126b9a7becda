using OpenMosix.Protocol.V1;

namespace OpenMosix.Daemon.Cluster;

/// <summary>What this node believes about the cluster. Snapshots: safe to keep, never modified. Without a cluster only this node.</summary>
public interface IClusterView
{
    /// <summary>This node, with its latest load.</summary>
    NodeInfo Self { get; }

    /// <summary>Every known node, this one too, in order of id. A dead node stays in the list with alive = false.</summary>
    IReadOnlyList<NodeStatus> Nodes { get; }

    NodeStatus? Find(string node);

    /// <summary>For whoever wants to know how the nodes are, now: a node at rest hears of the others seldom, and asks those it has not heard of lately. Within a second.</summary>
    Task RefreshAsync(CancellationToken cancellationToken);

    /// <summary>A node came, went, started anew, or changed its address. Raised on a thread-pool thread; handlers do not block.</summary>
    event Action<NodeStatus>? NodeChanged;
}
