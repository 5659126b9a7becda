using System.Collections.Concurrent;
using OpenMosix.Grpc;
using OpenMosix.Protocol.V1;

namespace OpenMosix.Daemon.Cluster;

internal sealed class PeerChannels : IPeerChannels, IDisposable
{
    private readonly ConcurrentDictionary<string, Way> _ways = new(StringComparer.Ordinal);
    private readonly IClusterView _view;
    private readonly IClusterIdentity _identity;

    public PeerChannels(IClusterView view, IClusterIdentity identity)
    {
        _view = view;
        _identity = identity;
        _view.NodeChanged += OnNodeChanged;
    }

    public IGrpcChannel? For(string node)
    {
        if (_identity.Current is not { } identity || _view.Find(node)?.Info is not { } info)
            return null;
        if (_ways.TryGetValue(node, out Way? way) && way.LeadsTo(info, identity))
            return way.Channel;

        var made = new Way(info, identity, Dial(info, identity));
        Way kept = _ways.AddOrUpdate(node, made, (_, there) => there.LeadsTo(info, identity) ? there : made);
        if (!ReferenceEquals(kept, made))
            made.Channel.Dispose();
        return kept.Channel;
    }

    public static IGrpcChannel Dial(NodeInfo info, NodeIdentity identity) =>
        GrpcChannel.ForTls(info.Address, (int)info.DaemonPort, new TlsTarget { Identity = identity.Tls, ExpectedNode = info.Node });

    public void Dispose()
    {
        _view.NodeChanged -= OnNodeChanged;
        foreach (string node in _ways.Keys)
            Drop(node);
    }

    private void OnNodeChanged(NodeStatus status)
    {
        if (!status.Alive)
            Drop(status.Info.Node);
    }

    private void Drop(string node)
    {
        if (_ways.TryRemove(node, out Way? way))
            way.Channel.Dispose();
    }

    private sealed record Way(NodeInfo Info, NodeIdentity Identity, IGrpcChannel Channel)
    {
        public bool LeadsTo(NodeInfo info, NodeIdentity identity) =>
            info.Address == Info.Address && info.DaemonPort == Info.DaemonPort && ReferenceEquals(identity, Identity);
    }
}
