// {EtcDirectory}/ca.crt, node.crt, node.key: this node's place in its cluster, as the daemon and the warden read it.
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using OpenMosix.Daemon.Hosting;
using OpenMosix.Grpc;

namespace OpenMosix.Daemon.Cluster;

internal sealed class IdentityFiles(DaemonOptions options)
{
    private string AuthorityPath => Path.Combine(options.EtcDirectory, "ca.crt");
    private string CertificatePath => Path.Combine(options.EtcDirectory, "node.crt");
    private string KeyPath => Path.Combine(options.EtcDirectory, "node.key");

    /// <summary>Writes the three and reads them back: what is returned is what the next start will find.</summary>
    public IdentityResult Save(X509Certificate2 authority, X509Certificate2 certificate, ECDsa key)
    {
        try
        {
            Directory.CreateDirectory(options.EtcDirectory);
            PrivateFile.Write(KeyPath, key.ExportPkcs8PrivateKeyPem() + "\n");
            PrivateFile.WritePublic(AuthorityPath, authority.ExportCertificatePem() + "\n");
            PrivateFile.WritePublic(CertificatePath, certificate.ExportCertificatePem() + "\n"); // last: it makes the others count
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return new IdentityResult.Bad(e.Message);
        }
        return Load();
    }

    public IdentityResult Load()
    {
        if (!File.Exists(CertificatePath))
            return new IdentityResult.None();
        try
        {
            X509Certificate2 authority = X509CertificateLoader.LoadCertificateFromFile(AuthorityPath);
            X509Certificate2 certificate = X509Certificate2.CreateFromPemFile(CertificatePath, KeyPath);
            string name = PeerCertificate.CommonName(certificate);
            if (name != options.Node)
                return new IdentityResult.Bad($"{CertificatePath} is of node '{name}', and this node is '{options.Node}': set `node = {name}` or join again");
            if (PeerCertificate.Distrust(certificate, authority) is { } why)
                return new IdentityResult.Bad($"{CertificatePath}: {why}");
            return new IdentityResult.Loaded(new NodeIdentity(
                PeerCertificate.CommonName(authority), name, new TlsIdentity(certificate, authority), CertificatePath, KeyPath, AuthorityPath));
        }
        catch (Exception e) when (e is CryptographicException or IOException or UnauthorizedAccessException)
        {
            return new IdentityResult.Bad($"{options.EtcDirectory}: certificate, key or CA cannot be read: {e.Message}");
        }
    }
}

internal abstract record IdentityResult
{
    private IdentityResult() { }

    public sealed record None : IdentityResult;
    public sealed record Loaded(NodeIdentity Identity) : IdentityResult;
    public sealed record Bad(string Why) : IdentityResult;
}
