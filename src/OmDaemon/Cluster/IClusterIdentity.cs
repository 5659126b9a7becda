using System.Security.Cryptography.X509Certificates;

namespace OpenMosix.Daemon.Cluster;

/// <summary>This node's place in its cluster: certificate, key and CA, and where they lie. The warden is given the paths.</summary>
public sealed record NodeIdentity(
    string Cluster, string Node, X509Certificate2 Certificate, X509Certificate2 Authority,
    string CertificatePath, string KeyPath, string AuthorityPath);

public interface IClusterIdentity
{
    /// <summary>Null until `omctl init` or `omctl join`.</summary>
    NodeIdentity? Current { get; }

    /// <summary>After init or join. Raised on a thread-pool thread; handlers do not block.</summary>
    event Action<NodeIdentity>? Changed;
}
