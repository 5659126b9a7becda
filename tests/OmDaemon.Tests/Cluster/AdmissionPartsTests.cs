using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using OpenMosix.Daemon.Cluster;
using OpenMosix.Daemon.Hosting;
using OpenMosix.Daemon.Tests.Fakes;
using OpenMosix.Grpc;

namespace OpenMosix.Daemon.Tests.Cluster;

public sealed class AdmissionPartsTests : IDisposable
{
    private readonly TestDirectory _directory = new();
    private readonly CertificateAuthority _authority = CertificateAuthority.Create("lab", DateTimeOffset.UtcNow);
    private readonly ECDsa _key = ECDsa.Create(ECCurve.NamedCurves.nistP256);

    public void Dispose()
    {
        _directory.Dispose();
        _authority.Dispose();
        _key.Dispose();
    }

    [Fact]
    public void Sign_GoodRequest_CertificateForClientAndServer()
    {
        using X509Certificate2 certificate = Sign("pc2");
        Assert.Null(PeerCertificate.Distrust(certificate, _authority.Certificate));
        Assert.Equal("pc2", PeerCertificate.CommonName(certificate));
        Assert.True(certificate.MatchesHostname("pc2"));
        Assert.True(certificate.MatchesHostname("10.0.0.2"));
        OidCollection usages = certificate.Extensions.OfType<X509EnhancedKeyUsageExtension>().Single().EnhancedKeyUsages;
        Assert.Equal(["1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2"], usages.Cast<Oid>().Select(o => o.Value));
        Assert.False(certificate.Extensions.OfType<X509BasicConstraintsExtension>().Single().CertificateAuthority);
    }

    [Fact]
    public void Sign_RequestNamesAnotherNode_IsRefused() =>
        Assert.Contains("names 'pc2', the node calls itself 'pc3'", Refusal(CertificateAuthority.MakeRequest("pc2", _key), "pc3"), StringComparison.Ordinal);

    [Fact]
    public void Sign_ChangedRequest_IsRefused()
    {
        byte[] request = CertificateAuthority.MakeRequest("pc2", _key);
        request[^1] ^= 1;
        Assert.Contains("not valid", Refusal(request, "pc2"), StringComparison.Ordinal);
    }

    [Fact]
    public void Sign_Garbage_IsRefused() => Assert.Contains("not valid", Refusal([1, 2, 3], "pc2"), StringComparison.Ordinal);

    [Fact]
    public void Sign_OtherKindOfKey_IsRefused()
    {
        using RSA rsa = RSA.Create(2048);
        byte[] request = new CertificateRequest("CN=pc2", rsa, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1).CreateSigningRequest();
        Assert.Contains("not an ECDSA P-256 key", Refusal(request, "pc2"), StringComparison.Ordinal);
    }

    [Fact]
    public void Authority_SavedAndLoaded_SignsTheSameCluster_AndOnlyItsOwnerMayRead()
    {
        string directory = _directory["ca"];
        _authority.Save(directory);
        using CertificateAuthority loaded = CertificateAuthority.Load(directory)!;
        Assert.Equal(_authority.Certificate.Thumbprint, loaded.Certificate.Thumbprint);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(Path.Combine(directory, "ca.key")));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute, File.GetUnixFileMode(directory));
    }

    [Fact]
    public void Authority_NoneThere_Null() => Assert.Null(CertificateAuthority.Load(_directory["ca"]));

    [Fact]
    public void Token_PrintedAndParsed_IsTheSame()
    {
        JoinToken token = JoinToken.Make(_authority.Certificate, new NodeAddress("fd00::1", 7946));
        JoinToken parsed = JoinToken.Parse($" {token.Text}\n")!;
        Assert.Equal(token.Secret, parsed.Secret);
        Assert.Equal(token.Address, parsed.Address);
        using X509Certificate2 node = Sign("pc2");
        Assert.True(parsed.Signed(node));
        Assert.True(parsed.Signed(_authority.Certificate));
    }

    [Fact]
    public void Token_CertificateOfAnotherAuthority_IsNotSigned()
    {
        using var other = CertificateAuthority.Create("lab", DateTimeOffset.UtcNow);
        JoinToken token = JoinToken.Make(other.Certificate, new NodeAddress("10.0.0.1", 7946));
        using X509Certificate2 node = Sign("pc2");
        Assert.False(token.Signed(node));
    }

    [Fact]
    public void Token_AnyCharacterChanged_IsNoTokenOrAnother()
    {
        JoinToken token = JoinToken.Make(_authority.Certificate, new NodeAddress("10.0.0.1", 7946));
        for (int i = 0; i < token.Text.Length; i++)
        {
            char[] changed = token.Text.ToCharArray();
            changed[i] = changed[i] == 'A' ? 'B' : 'A';
            JoinToken? parsed = JoinToken.Parse(new string(changed));
            bool same = parsed is not null && parsed.Secret.SequenceEqual(token.Secret) && parsed.Address == token.Address && parsed.Signed(_authority.Certificate);
            // The unused low bits of the last character carry nothing.
            Assert.False(same && i < token.Text.Length - 1, $"character {i}");
        }
    }

    [Theory]
    [InlineData("")]
    [InlineData("om1-")]
    [InlineData("om1-AAAA")]
    [InlineData("om2-AfpBlDD")]
    [InlineData("om1-****")]
    public void Token_NotOne_Null(string text) => Assert.Null(JoinToken.Parse(text));

    [Fact]
    public void TokenStore_KnowsGoodUnknownAndExpired_AndKeepsNoSecret()
    {
        var time = new ManualTime();
        string file = _directory["tokens"];
        byte[] secret = RandomNumberGenerator.GetBytes(16);
        new TokenStore(file, time).Add(secret, TimeSpan.FromMinutes(10));
        var later = new TokenStore(file, time);
        Assert.Equal(TokenVerdict.Good, later.Check(secret));
        Assert.Equal(TokenVerdict.Unknown, later.Check(RandomNumberGenerator.GetBytes(16)));
        Assert.DoesNotContain(Convert.ToHexStringLower(secret), File.ReadAllText(file), StringComparison.Ordinal);
        time.Advance(TimeSpan.FromMinutes(10));
        Assert.Equal(TokenVerdict.Expired, later.Check(secret));
        time.Advance(TimeSpan.FromDays(30));
        later.Add(RandomNumberGenerator.GetBytes(16), TimeSpan.FromMinutes(1));
        Assert.Single(File.ReadAllLines(file));
    }

    private X509Certificate2 Sign(string node) => Assert.IsType<SigningResult.Signed>(
        _authority.Sign(CertificateAuthority.MakeRequest(node, _key), node, System.Net.IPAddress.Parse("10.0.0.2"), DateTimeOffset.UtcNow)).Certificate;

    private string Refusal(byte[] request, string node) =>
        Assert.IsType<SigningResult.Refused>(_authority.Sign(request, node, null, DateTimeOffset.UtcNow)).Why;
}
