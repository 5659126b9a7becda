using System.Net;
using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Https;
using Microsoft.Extensions.Logging;

namespace OpenMosix.Grpc.Server;

/// <summary>
/// The server's side of the handshake. A client that shows a certificate must show one of the cluster's CA; one that shows none gets as
/// far as the methods for anybody (joining) and no farther.
/// </summary>
internal sealed partial class TlsConnections(GrpcServerOptions options, ILogger<TlsConnections> logger)
{
    // In a connection's Items: it has been let in, or named in the log.
    private static readonly object Known = new();

    /// <summary>Around the handshake: Kestrel says nothing of those who fail it.</summary>
    public async Task OutsideAsync(ConnectionContext connection, ConnectionDelegate next)
    {
        await next(connection).ConfigureAwait(false);
        if (!connection.Items.ContainsKey(Known))
        {
            NoHandshake(connection.RemoteEndPoint);
        }
    }

    /// <summary>Behind the handshake.</summary>
    public Task InsideAsync(ConnectionContext connection, ConnectionDelegate next)
    {
        connection.Items[Known] = true;
        if (connection.Features.Get<ITlsConnectionFeature>()?.ClientCertificate is null)
        {
            NoCertificate(connection.RemoteEndPoint);
        }

        return next(connection);
    }

    public ValueTask<SslServerAuthenticationOptions> OnConnection(TlsHandshakeCallbackContext context)
    {
        var remote = context.Connection.RemoteEndPoint;
        var identity = options.Identity();
        if (identity is null)
        {
            context.Connection.Items[Known] = true;
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
            RemoteCertificateValidationCallback = (_, certificate, _, _) => Accept(certificate, identity, context.Connection),
        });
    }

    private bool Accept(X509Certificate? shown, TlsIdentity identity, BaseConnectionContext connection)
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

        connection.Items[Known] = true;
        Refused(connection.RemoteEndPoint, reason);
        return false;
    }

    [LoggerMessage(2003, LogLevel.Warning, "Refused {Remote}: {Reason}")]
    private partial void Refused(EndPoint? remote, string reason);

    [LoggerMessage(2004, LogLevel.Information, "Refused {Remote}: this node is in no cluster yet")]
    private partial void NoIdentity(EndPoint? remote);

    [LoggerMessage(2005, LogLevel.Warning, "Refused {Remote}: no handshake of TLS 1.3 came about")]
    private partial void NoHandshake(EndPoint? remote);

    [LoggerMessage(2006, LogLevel.Information, "{Remote} has no certificate of the cluster: it may ask to join, and nothing else")]
    private partial void NoCertificate(EndPoint? remote);
}
