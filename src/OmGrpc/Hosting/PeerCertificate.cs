using System.Security.Cryptography.X509Certificates;

namespace OpenMosix.Grpc;

/// <summary>
/// The one rule of trust between nodes: a certificate signed by the cluster's CA itself, valid now. Names of hosts and the
/// machine's list of public authorities play no part.
/// </summary>
public static class PeerCertificate
{
    /// <summary>Null if it is trusted; else why not, in words.</summary>
    public static string? Distrust(X509Certificate2 certificate, X509Certificate2 authority)
    {
        using var chain = new X509Chain();
        chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        chain.ChainPolicy.CustomTrustStore.Add(authority);
        chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
        chain.ChainPolicy.DisableCertificateDownloads = true;
        if (chain.Build(certificate))
        {
            return null;
        }

        var reasons = chain.ChainStatus.Select(status => status.Status.ToString()).Distinct();
        return $"certificate of '{CommonName(certificate)}' is not trusted: {string.Join(", ", reasons)}";
    }

    public static string CommonName(X509Certificate2 certificate) => certificate.GetNameInfo(X509NameType.SimpleName, forIssuer: false);
}
