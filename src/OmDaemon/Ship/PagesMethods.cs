using Google.Protobuf.Reflection;
using OpenMosix.Grpc;
using OpenMosix.Protocol.V1;

namespace OpenMosix.Daemon.Ship;

internal static class PagesMethods
{
    public static readonly ServiceDescriptor Service = MemoryReflection.Descriptor.Service("Pages");

    public static readonly GrpcMethod<PullRequest, PageChunk> Pull = new(Service, "Pull");
}
