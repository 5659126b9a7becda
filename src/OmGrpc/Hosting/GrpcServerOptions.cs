using System.Net;

namespace OpenMosix.Grpc;

/// <summary>Where a server listens and what it accepts.</summary>
public sealed class GrpcServerOptions
{
    /// <summary>Mutual TLS 1.3, HTTP/2 only. Empty: no TCP.</summary>
    public IList<IPEndPoint> TlsEndPoints { get; } = [];

    /// <summary>Asked at every handshake, so a node may join or renew while it listens. Null result: handshakes fail.</summary>
    public Func<TlsIdentity?> Identity { get; set; } = static () => null;

    /// <summary>HTTP/2 without TLS, by prior knowledge; callers are known by SO_PEERCRED. Null: none. A stale socket file is replaced.</summary>
    public string? UnixSocketPath { get; set; }

    /// <summary>Mode of the socket file; everybody may connect by default, handlers decide by uid.</summary>
    public UnixFileMode UnixSocketMode { get; set; } =
        UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.GroupWrite | UnixFileMode.OtherRead | UnixFileMode.OtherWrite;

    /// <summary>Ceiling of one received message, checked before anything is allocated for it.</summary>
    public int MaxReceiveMessageBytes { get; set; } = MessageLimits.DefaultReceiveBytes;
}
