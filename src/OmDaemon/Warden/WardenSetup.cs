// Tells the warden who this node is and where the others' wardens listen: when it connects, and whenever either changes.
using System.Threading.Channels;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using OpenMosix.Daemon.Cluster;
using OpenMosix.Daemon.Hosting;
using OpenMosix.Protocol.V1;

namespace OpenMosix.Daemon.Warden;

internal sealed partial class WardenSetup(
    IWarden warden, IClusterIdentity identity, IClusterView cluster, DaemonOptions options, TimeProvider time, ILogger<WardenSetup> log)
    : BackgroundService, IWardenListener
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(10);

    private readonly Channel<bool> _changed = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });
    private readonly Dictionary<string, WardenPeer> _toldPeers = [];
    private WardenConfigure? _told;
    private volatile bool _newConnection;

    public Task WardenConnectedAsync(WardenStatusReply status, CancellationToken cancellationToken)
    {
        _newConnection = true;
        _changed.Writer.TryWrite(true);
        return Task.CompletedTask;
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        void OnIdentity(NodeIdentity now) => _changed.Writer.TryWrite(true);
        void OnNode(NodeStatus node) => _changed.Writer.TryWrite(true);
        identity.Changed += OnIdentity;
        cluster.NodeChanged += OnNode;
        try
        {
            await foreach (bool _ in _changed.Reader.ReadAllAsync(stoppingToken).ConfigureAwait(false))
                await TellAsync(stoppingToken).ConfigureAwait(false);
        }
        finally
        {
            identity.Changed -= OnIdentity;
            cluster.NodeChanged -= OnNode;
        }
    }

    private async Task TellAsync(CancellationToken stoppingToken)
    {
        if (_newConnection)
        {
            _newConnection = false;
            _told = null;
            _toldPeers.Clear();
        }
        if (identity.Current is not { } current || !warden.IsConnected)
            return;
        var configure = new WardenConfigure
        {
            Node = current.Node,
            CertificatePath = current.CertificatePath,
            KeyPath = current.KeyPath,
            CaPath = current.AuthorityPath,
            ListenAddress = options.ListenAddress.ToString(),
            ListenPort = (uint)options.LinkPort,
        };
        if (!configure.Equals(_told))
        {
            if (!await AskAsync(new ToWarden { Configure = configure }, stoppingToken).ConfigureAwait(false))
                return;
            _told = configure;
            _toldPeers.Clear();
        }
        foreach (NodeStatus node in cluster.Nodes)
        {
            if (node.Info.Node == current.Node || node.Info.Address.Length == 0)
                continue;
            var peer = new WardenPeer { Node = node.Info.Node, Address = node.Info.Address, Port = node.Info.LinkPort };
            if (_toldPeers.TryGetValue(peer.Node, out WardenPeer? told) && told.Equals(peer))
                continue;
            if (await AskAsync(new ToWarden { Peer = peer }, stoppingToken).ConfigureAwait(false))
                _toldPeers[peer.Node] = peer;
        }
    }

    private async Task<bool> AskAsync(ToWarden request, CancellationToken stoppingToken)
    {
        using var deadline = new CancellationTokenSource(Deadline, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, stoppingToken);
        WardenAnswer answer = await warden.AskAsync(request, either.Token).ConfigureAwait(false);
        if (answer.AsFailure("") is not { } failure)
            return true;
        // A lost connection comes back as WardenConnected and starts this anew.
        LogFailed(request.RequestCase.ToString(), failure.Message);
        return false;
    }

    [LoggerMessage(405, LogLevel.Error, "the warden does not take {Request}: {Why}")]
    private partial void LogFailed(string request, string why);
}
