using System.Security.Cryptography.X509Certificates;

namespace OpenMosix.Grpc;

/// <summary>Which server a TLS channel accepts, and what it shows it.</summary>
public sealed record TlsTarget
{
    /// <summary>Shown to the server; null: no certificate (joining).</summary>
    public TlsIdentity? Identity { get; init; }

    /// <summary>The CA that must have signed the server's certificate. Defaults to the identity's.</summary>
    public X509Certificate2? Authority { get; init; }

    /// <summary>Common name the server's certificate must have; null: any node of the cluster.</summary>
    public string? ExpectedNode { get; init; }

    /// <summary>
    /// Instead of all that: decides by the certificate the server shows; null result = accepted, else why not. For a node that joins and does not
    /// have the CA yet.
    /// </summary>
    public Func<X509Certificate2, string?>? Accept { get; init; }
}
