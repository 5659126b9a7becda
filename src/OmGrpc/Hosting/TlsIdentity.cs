using System.Net.Security;
using System.Security.Cryptography.X509Certificates;

namespace OpenMosix.Grpc;

/// <summary>
/// Who this node is among the others: its certificate (with the private key; common name = node id) and the cluster's CA,
/// which alone decides who is trusted. Immutable; a node that joins or renews gets a new one.
/// </summary>
public sealed class TlsIdentity
{
    public TlsIdentity(X509Certificate2 certificate, X509Certificate2 authority)
    {
        if (!certificate.HasPrivateKey)
        {
            throw new ArgumentException("The node's certificate comes without its private key.", nameof(certificate));
        }

        Certificate = certificate;
        Authority = authority;
        // Made once: SslStream would build the chain anew at each handshake. Offline: nobody is asked on the network.
        Context = SslStreamCertificateContext.Create(certificate, [authority], offline: true);
    }

    public X509Certificate2 Certificate { get; }

    public X509Certificate2 Authority { get; }

    public string Node => PeerCertificate.CommonName(Certificate);

    internal SslStreamCertificateContext Context { get; }
}
