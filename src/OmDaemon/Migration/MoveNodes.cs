using OpenMosix.Daemon.Cluster;

namespace OpenMosix.Daemon.Migration;

/// <summary>The two ends of a move by the names of their nodes.</summary>
internal sealed class MoveNodes(LocalNode local, IPeerChannels channels, IClusterView cluster)
{
    public IMoveNode For(string node) => node == local.Node ? local : new PeerNode(node, channels, cluster);
}
