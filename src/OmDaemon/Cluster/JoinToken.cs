// What `omctl token` prints and `omctl join` reads: where to go, whom to trust there, and the secret that admits.
//   "om1-" base64url( version 1 | secret 16 | CA's public key X 32, Y 32 | port 2, big endian | address, UTF-8 )
// The whole public key, not its hash: a server's TLS handshake shows its own certificate but not the root, so with the key the
// joining node can check the server's certificate before it sends the secret.
using System.Buffers.Binary;
using System.Buffers.Text;
using System.Formats.Asn1;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using OpenMosix.Daemon.Hosting;

namespace OpenMosix.Daemon.Cluster;

public sealed record JoinToken(byte[] Secret, byte[] AuthorityKey, NodeAddress Address)
{
    private const string Prefix = "om1-";
    private const byte Version = 1;
    private const int SecretBytes = 16;
    private const int KeyBytes = 64;
    private const int FixedBytes = 1 + SecretBytes + KeyBytes + 2;
    private const int MostCharacters = 512;

    public static JoinToken Make(X509Certificate2 authority, NodeAddress address)
    {
        using ECDsa key = authority.GetECDsaPublicKey()!;
        ECPoint point = key.ExportParameters(includePrivateParameters: false).Q;
        return new JoinToken(RandomNumberGenerator.GetBytes(SecretBytes), [.. point.X!, .. point.Y!], address);
    }

    /// <summary>Null if the text is no token of ours.</summary>
    public static JoinToken? Parse(string text)
    {
        text = text.Trim();
        if (text.Length > MostCharacters || !text.StartsWith(Prefix, StringComparison.Ordinal) || !Base64Url.IsValid(text.AsSpan(Prefix.Length)))
            return null;
        byte[] bytes = Base64Url.DecodeFromChars(text.AsSpan(Prefix.Length));
        if (bytes.Length <= FixedBytes || bytes[0] != Version)
            return null;
        int port = BinaryPrimitives.ReadUInt16BigEndian(bytes.AsSpan(FixedBytes - 2));
        string host = Encoding.UTF8.GetString(bytes.AsSpan(FixedBytes));
        if (!NodeAddress.TryParse(host, port, out NodeAddress? address) || address.Port != port || port == 0)
            return null;
        return new JoinToken(bytes[1..(1 + SecretBytes)], bytes[(1 + SecretBytes)..(1 + SecretBytes + KeyBytes)], address);
    }

    public string Text
    {
        get
        {
            byte[] host = Encoding.UTF8.GetBytes(Address.Host);
            var bytes = new byte[FixedBytes + host.Length];
            bytes[0] = Version;
            Secret.CopyTo(bytes.AsSpan(1));
            AuthorityKey.CopyTo(bytes.AsSpan(1 + SecretBytes));
            BinaryPrimitives.WriteUInt16BigEndian(bytes.AsSpan(FixedBytes - 2), (ushort)Address.Port);
            host.CopyTo(bytes.AsSpan(FixedBytes));
            return Prefix + Base64Url.EncodeToString(bytes);
        }
    }

    /// <summary>Whether the CA of this token signed the certificate.</summary>
    public bool Signed(X509Certificate2 certificate)
    {
        try
        {
            using ECDsa key = ECDsa.Create(new ECParameters
            {
                Curve = ECCurve.NamedCurves.nistP256,
                Q = new ECPoint { X = AuthorityKey[..32], Y = AuthorityKey[32..] },
            });
            // Certificate ::= SEQUENCE { tbsCertificate, signatureAlgorithm, signature BIT STRING } (RFC 5280 4.1)
            AsnReader fields = new AsnReader(certificate.RawDataMemory, AsnEncodingRules.DER).ReadSequence();
            ReadOnlyMemory<byte> signed = fields.ReadEncodedValue();
            fields.ReadEncodedValue();
            byte[] signature = fields.ReadBitString(out _);
            return key.VerifyData(signed.Span, signature, HashAlgorithmName.SHA256, DSASignatureFormat.Rfc3279DerSequence);
        }
        catch (Exception e) when (e is CryptographicException or AsnContentException)
        {
            return false; // a point that is not on the curve, a certificate of another kind
        }
    }
}
