using System.Net;
using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using Microsoft.AspNetCore.Server.Kestrel.Https;
using Microsoft.Extensions.Logging;

namespace OpenMosix.Grpc.Server;

/// <summary>
/// The server's side of the handshake. A client that shows a certificate must show one of the cluster's CA; one that shows none gets as
/// far as the methods for anybody (joining) and no farther.
/// </summary>
internal sealed partial class TlsConnections(GrpcServerOptions options, ILogger<TlsConnections> logger)
{
    public ValueTask<SslServerAuthenticationOptions> OnConnection(TlsHandshakeCallbackContext context)
    {
        var remote = context.Connection.RemoteEndPoint;
        var identity = options.Identity();
        if (identity is null)
        {
            NoIdentity(remote);
            throw new AuthenticationException("This node is in no cluster yet.");
        }

        return ValueTask.FromResult(new SslServerAuthenticationOptions
        {
            ServerCertificateContext = identity.Context,
            EnabledSslProtocols = SslProtocols.Tls13,
            ApplicationProtocols = [SslApplicationProtocol.Http2],
            ClientCertificateRequired = true, // asks; the callback decides
            CertificateRevocationCheckMode = X509RevocationMode.NoCheck,
            RemoteCertificateValidationCallback = (_, certificate, _, _) => Accept(certificate, identity, remote),
        });
    }

    private bool Accept(X509Certificate? shown, TlsIdentity identity, EndPoint? remote)
    {
        if (shown is null)
        {
            return true;
        }

        var certificate = shown as X509Certificate2 ?? X509CertificateLoader.LoadCertificate(shown.GetRawCertData());
        if (PeerCertificate.Distrust(certificate, identity.Authority) is not { } reason)
        {
            return true;
        }

        Refused(remote, reason);
        return false;
    }

    [LoggerMessage(2003, LogLevel.Warning, "Refused {Remote}: {Reason}")]
    private partial void Refused(EndPoint? remote, string reason);

    [LoggerMessage(2004, LogLevel.Information, "Refused {Remote}: this node is in no cluster yet")]
    private partial void NoIdentity(EndPoint? remote);
}
