using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace OpenMosix.Warden.Tests.Harness;

/// <summary>A cluster's CA and certificates of its nodes, as PEM files in a directory.</summary>
internal sealed class TestCertificates
{
    private readonly string directory;
    private readonly X509Certificate2 authority;

    internal TestCertificates(string directory)
    {
        this.directory = directory;
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=test cluster", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign, true));
        authority = request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1));
        File.WriteAllText(CaPath, authority.ExportCertificatePem());
    }

    internal string CaPath => Path.Combine(directory, "ca.pem");

    internal (string Certificate, string Key) Issue(string node)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest($"CN={node}", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new("1.3.6.1.5.5.7.3.1"), new("1.3.6.1.5.5.7.3.2")], false));
        using X509Certificate2 certificate = request.Create(authority, DateTimeOffset.UtcNow.AddHours(-1), DateTimeOffset.UtcNow.AddHours(12),
            RandomNumberGenerator.GetBytes(8));
        string certificatePath = Path.Combine(directory, node + ".pem"), keyPath = Path.Combine(directory, node + ".key");
        File.WriteAllText(certificatePath, certificate.ExportCertificatePem());
        File.WriteAllText(keyPath, key.ExportPkcs8PrivateKeyPem());
        return (certificatePath, keyPath);
    }
}
