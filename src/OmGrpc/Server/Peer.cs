using System.Runtime.CompilerServices;
using System.Security.Cryptography.X509Certificates;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;

namespace OpenMosix.Grpc.Server;

/// <summary>Who calls. A certificate that got here was checked in the handshake (TlsConnections).</summary>
internal static class Peer
{
    // One certificate object per connection: its name is taken out once, not at each call.
    private static readonly ConditionalWeakTable<X509Certificate2, string> Names = [];

    public static string? Node(HttpContext http) =>
        http.Features.Get<ITlsConnectionFeature>()?.ClientCertificate is { } certificate
            ? Names.GetValue(certificate, PeerCertificate.CommonName)
            : null;

    /// <summary>A node of the cluster, or a process of this machine.</summary>
    public static bool IsKnown(HttpContext http) => Node(http) is not null || http.Features.Get<UnixPeer>() is not null;
}
