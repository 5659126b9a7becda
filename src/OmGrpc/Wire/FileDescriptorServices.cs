using Google.Protobuf.Reflection;

namespace OpenMosix.Grpc;

public static class FileDescriptorServices
{
    /// <summary>A service of a .proto file by its short name: <c>ClusterReflection.Descriptor.Service("Cluster")</c>.</summary>
    public static ServiceDescriptor Service(this FileDescriptor file, string name) =>
        file.FindTypeByName<ServiceDescriptor>(name) ?? throw new ArgumentException($"{file.Name} has no service '{name}'.", nameof(name));
}
