using OpenMosix.Grpc;

namespace OpenMosix.Daemon.Cluster;

/// <summary>Ways to the daemons of other nodes: mutual TLS, the server's certificate must be of the node that is meant.</summary>
public interface IPeerChannels
{
    /// <summary>
    /// The channel to a node, shared by all who ask; it dials when first used. Null: no such node is known, or there is no cluster. When
    /// the node is declared dead its channel ends, and so do the calls on it; ask again for each call.
    /// </summary>
    IGrpcChannel? For(string node);
}
