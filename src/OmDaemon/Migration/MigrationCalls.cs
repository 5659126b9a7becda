using Google.Protobuf.Reflection;
using OpenMosix.Grpc;
using OpenMosix.Protocol.V1;

namespace OpenMosix.Daemon.Migration;

/// <summary>The methods of migration.proto.</summary>
internal static class MigrationCalls
{
    public static ServiceDescriptor Service { get; } = MigrationReflection.Descriptor.FindTypeByName<ServiceDescriptor>("Migration");

    public static GrpcMethod<FreezeRequest, FreezeReply> Freeze { get; } = new(Service, "Freeze");
    public static GrpcMethod<SnapshotRequest, SnapshotReply> Snapshot { get; } = new(Service, "Snapshot");
    public static GrpcMethod<KeyRequest, MoveReply> Thaw { get; } = new(Service, "Thaw");
    public static GrpcMethod<RestoreRequest, RestoreReply> Restore { get; } = new(Service, "Restore");
    public static GrpcMethod<RunRequest, MoveReply> Run { get; } = new(Service, "Run");
    public static GrpcMethod<KeyRequest, MoveReply> Abort { get; } = new(Service, "Abort");
    public static GrpcMethod<KeyRequest, MoveReply> Discard { get; } = new(Service, "Discard");
    public static GrpcMethod<ReturnRequest, Empty> RequestReturn { get; } = new(Service, "RequestReturn");
    public static GrpcMethod<EndedRequest, Empty> Ended { get; } = new(Service, "Ended");
    public static GrpcMethod<ClockRequest, ClockOffsets> Clock { get; } = new(Service, "Clock");
    public static GrpcMethod<HeldRequest, HeldReply> Held { get; } = new(Service, "Held");
}
