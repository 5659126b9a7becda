// The cluster's CA: an ECDSA P-256 key that never leaves the node on which `omctl init` was run (0600, below StateDirectory/ca).
// It signs node certificates and nothing else. What a request may decide is its public key; every other field is ours.
using System.Formats.Asn1;
using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace OpenMosix.Daemon.Cluster;

public sealed class CertificateAuthority : IDisposable
{
    private const string Organization = "OpenMosix cluster";
    private const string ServerAuthentication = "1.3.6.1.5.5.7.3.1";
    private const string ClientAuthentication = "1.3.6.1.5.5.7.3.2";
    private static readonly TimeSpan s_clockSkew = TimeSpan.FromDays(1);

    private CertificateAuthority(X509Certificate2 certificate) => Certificate = certificate;

    /// <summary>With its private key.</summary>
    public X509Certificate2 Certificate { get; }

    public static CertificateAuthority Create(string cluster, DateTimeOffset now)
    {
        using ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var name = new X500DistinguishedNameBuilder();
        name.AddOrganizationName(Organization);
        name.AddCommonName(cluster);
        var request = new CertificateRequest(name.Build(), key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(certificateAuthority: true, hasPathLengthConstraint: true, 0, critical: true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign | X509KeyUsageFlags.CrlSign, critical: true));
        request.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(request.PublicKey, critical: false));
        return new CertificateAuthority(request.CreateSelfSigned(now - s_clockSkew, now.AddYears(20)));
    }

    /// <summary>The authority kept in the directory, or null when this node does not hold it.</summary>
    public static CertificateAuthority? Load(string directory)
    {
        string certificate = Path.Combine(directory, "ca.crt");
        string key = Path.Combine(directory, "ca.key");
        return File.Exists(key) ? new CertificateAuthority(X509Certificate2.CreateFromPemFile(certificate, key)) : null;
    }

    public void Save(string directory)
    {
        PrivateFile.MakeDirectory(directory);
        using ECDsa key = Certificate.GetECDsaPrivateKey()!;
        PrivateFile.Write(Path.Combine(directory, "ca.key"), key.ExportPkcs8PrivateKeyPem());
        PrivateFile.Write(Path.Combine(directory, "ca.crt"), Certificate.ExportCertificatePem());
    }

    /// <summary>A node's certificate for the key that signed the request. The subject must be the node that is claimed.</summary>
    public SigningResult Sign(ReadOnlySpan<byte> pkcs10, string node, IPAddress? address, DateTimeOffset now)
    {
        CertificateRequest asked;
        try
        {
            // Checks the request's signature: whoever sent it holds the key.
            asked = CertificateRequest.LoadSigningRequest(pkcs10.ToArray(), HashAlgorithmName.SHA256);
        }
        catch (Exception e) when (e is CryptographicException or AsnContentException)
        {
            return new SigningResult.Refused($"the certificate request of '{node}' is not valid: {e.Message}");
        }
        if (CommonName(asked.SubjectName) != node)
            return new SigningResult.Refused($"the certificate request names '{CommonName(asked.SubjectName)}', the node calls itself '{node}'");
        using ECDsa? key = asked.PublicKey.GetECDsaPublicKey();
        if (key is null || key.KeySize != 256)
            return new SigningResult.Refused($"the key of '{node}' is not an ECDSA P-256 key");

        CertificateRequest request = NodeRequest(node, key);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(certificateAuthority: false, hasPathLengthConstraint: false, 0, critical: true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.DigitalSignature, critical: true));
        request.CertificateExtensions.Add(
            new X509EnhancedKeyUsageExtension([new Oid(ServerAuthentication), new Oid(ClientAuthentication)], critical: false));
        request.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(request.PublicKey, critical: false));
        request.CertificateExtensions.Add(X509AuthorityKeyIdentifierExtension.CreateFromCertificate(Certificate, true, false));
        var names = new SubjectAlternativeNameBuilder();
        names.AddDnsName(node);
        if (address is not null)
            names.AddIpAddress(address);
        request.CertificateExtensions.Add(names.Build());

        byte[] serial = RandomNumberGenerator.GetBytes(16);
        serial[0] &= 0x7f; // a serial number is positive
        DateTimeOffset end = now.AddYears(10) < Certificate.NotAfter ? now.AddYears(10) : Certificate.NotAfter;
        return new SigningResult.Signed(request.Create(Certificate, now - s_clockSkew, end, serial));
    }

    public static byte[] MakeRequest(string node, ECDsa key) => NodeRequest(node, key).CreateSigningRequest();

    public static string CommonName(X500DistinguishedName name)
    {
        foreach (X500RelativeDistinguishedName part in name.EnumerateRelativeDistinguishedNames())
        {
            if (!part.HasMultipleElements && part.GetSingleElementType().Value == "2.5.4.3")
                return part.GetSingleElementValue() ?? "";
        }
        return "";
    }

    public void Dispose() => Certificate.Dispose();

    private static CertificateRequest NodeRequest(string node, ECDsa key)
    {
        var name = new X500DistinguishedNameBuilder();
        name.AddCommonName(node);
        return new CertificateRequest(name.Build(), key, HashAlgorithmName.SHA256);
    }
}

public abstract record SigningResult
{
    private SigningResult() { }

    public sealed record Signed(X509Certificate2 Certificate) : SigningResult;
    public sealed record Refused(string Why) : SigningResult;
}
