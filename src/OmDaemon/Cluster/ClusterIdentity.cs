// Read from the files once, when first asked for; replaced as a whole by init and join. What serves and dials asks for Current at every handshake,
// so nothing needs a restart.
using Microsoft.Extensions.Logging;

namespace OpenMosix.Daemon.Cluster;

internal sealed partial class ClusterIdentity : IClusterIdentity
{
    private volatile NodeIdentity? _current;

    public ClusterIdentity(IdentityFiles files, ILogger<ClusterIdentity> log)
    {
        switch (files.Load())
        {
            case IdentityResult.Loaded loaded:
                _current = loaded.Identity;
                break;
            case IdentityResult.Bad bad:
                LogUnusable(log, bad.Why);
                break;
            default:
                LogNone(log);
                break;
        }
    }

    public NodeIdentity? Current => _current;

    public event Action<NodeIdentity>? Changed;

    public void Adopt(NodeIdentity identity)
    {
        _current = identity;
        Changed?.Invoke(identity);
    }

    [LoggerMessage(200, LogLevel.Information, "no cluster yet: `omctl init` makes one, `omctl join` enters one")]
    private static partial void LogNone(ILogger log);

    [LoggerMessage(201, LogLevel.Error, "no cluster: {Why}")]
    private static partial void LogUnusable(ILogger log, string why);
}
