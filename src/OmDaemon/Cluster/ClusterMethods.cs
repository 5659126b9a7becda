using Google.Protobuf.Reflection;
using OpenMosix.Grpc;
using OpenMosix.Protocol.V1;

namespace OpenMosix.Daemon.Cluster;

internal static class ClusterMethods
{
    public static ServiceDescriptor Service { get; } = ClusterReflection.Descriptor.FindTypeByName<ServiceDescriptor>("Cluster");

    public static GrpcMethod<JoinRequest, JoinReply> Join { get; } = new(Service, "Join");
    public static GrpcMethod<GossipMessage, GossipMessage> Gossip { get; } = new(Service, "Gossip");
}
