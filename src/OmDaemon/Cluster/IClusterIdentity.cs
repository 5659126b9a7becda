using OpenMosix.Grpc;

namespace OpenMosix.Daemon.Cluster;

/// <summary>This node's place in its cluster: certificate, key and CA, and where they lie. The warden is given the paths.</summary>
public sealed record NodeIdentity(string Cluster, string Node, TlsIdentity Tls, string CertificatePath, string KeyPath, string AuthorityPath);

public interface IClusterIdentity
{
    /// <summary>Null until `omctl init` or `omctl join`.</summary>
    NodeIdentity? Current { get; }

    /// <summary>After init or join, and after a certificate was renewed. Handlers do not block.</summary>
    event Action<NodeIdentity>? Changed;
}
