using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;

namespace OpenMosix.Grpc.Client;

/// <summary>The client's side of the handshake: is this the node we want?</summary>
internal static class ServerTrust
{
    /// <exception cref="AuthenticationException">It is not, and why; the call's status carries the text.</exception>
    public static bool Check(TlsTarget target, X509Certificate? shown)
    {
        if (shown is null)
        {
            throw new AuthenticationException("The server shows no certificate.");
        }

        var certificate = shown as X509Certificate2 ?? X509CertificateLoader.LoadCertificate(shown.GetRawCertData());
        return Distrust(target, certificate) is { } reason ? throw new AuthenticationException(reason) : true;
    }

    private static string? Distrust(TlsTarget target, X509Certificate2 certificate)
    {
        if (target.Accept is { } accept)
        {
            return accept(certificate);
        }

        var authority = target.Authority ?? target.Identity?.Authority;
        if (authority is null)
        {
            return "there is no CA to check the server's certificate with";
        }

        if (PeerCertificate.Distrust(certificate, authority) is { } reason)
        {
            return reason;
        }

        var node = PeerCertificate.CommonName(certificate);
        return target.ExpectedNode is { } expected && expected != node ? $"the server is node '{node}', not '{expected}'" : null;
    }
}
