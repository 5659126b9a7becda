namespace OpenMosix.Grpc;

public enum MethodKind
{
    Unary,
    ClientStreaming,
    ServerStreaming,
    Duplex,
}
