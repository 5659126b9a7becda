namespace OpenMosix.Grpc;

public static class MessageLimits
{
    /// <summary>As in other gRPC implementations, times four: the image of a process with many mappings is one message.</summary>
    public const int DefaultReceiveBytes = 16 * 1024 * 1024;
}
