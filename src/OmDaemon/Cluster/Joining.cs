// The joining side of admission: key and request are made here, the key never leaves. The secret is sent only to a server whose certificate was signed
// by the CA that the token names. Nothing is written before everything has been checked.
using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Google.Protobuf;
using Microsoft.Extensions.Logging;
using OpenMosix.Daemon.Hosting;
using OpenMosix.Grpc;
using OpenMosix.Protocol.V1;

namespace OpenMosix.Daemon.Cluster;

internal sealed partial class Joining(
    DaemonOptions options, ClusterIdentity identity, IdentityFiles files, NodeDoor door, ClusterView view, ILogger<Joining> log) : IDisposable
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(15);
    private readonly SemaphoreSlim _turn = new(1, 1);

    public async Task<Answer<JoinClusterReply>> JoinAsync(string tokenText, string addressText, CancellationToken cancellationToken)
    {
        if (JoinToken.Parse(tokenText) is not { } token)
            return Refuse(StatusCode.InvalidArgument, "this is not a join token; `omctl token` prints one that begins with om1-");
        NodeAddress address = token.Address;
        if (addressText.Length > 0 && !NodeAddress.TryParse(addressText, token.Address.Port, out address!))
            return Refuse(StatusCode.InvalidArgument, $"'{addressText}' is not an address: HOST or HOST:PORT");

        await _turn.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            if (identity.Current is { } member)
                return Refuse(StatusCode.AlreadyExists, $"this node is a member of cluster '{member.Cluster}' already; remove {member.CertificatePath} to leave it");
            if (await door.OpenAsync(cancellationToken).ConfigureAwait(false) is { } closed)
                return Refuse(StatusCode.FailedPrecondition, closed);
            return await JoinAsync(token, tokenText.Trim(), address, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            _turn.Release();
        }
    }

    public void Dispose() => _turn.Dispose();

    private async Task<Answer<JoinClusterReply>> JoinAsync(JoinToken token, string tokenText, NodeAddress address, CancellationToken cancellationToken)
    {
        using ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        NodeInfo info = view.Self.Clone();
        if (options.Address is null && options.ListenAddress is var listen && (listen.Equals(IPAddress.Any) || listen.Equals(IPAddress.IPv6Any)))
            info.Address = ""; // the one who admits sees it
        var request = new JoinRequest
        {
            Token = tokenText,
            Node = options.Node,
            CertificateRequest = ByteString.CopyFrom(CertificateAuthority.MakeRequest(options.Node, key)),
            Info = info,
        };

        JoinReply reply;
        using (GrpcChannel channel = GrpcChannel.ForTls(address.Host, address.Port, new TlsTarget
        {
            Accept = certificate => token.Signed(certificate) ? null : $"the node at {address} is not of the cluster that made the token",
        }))
        {
            try
            {
                reply = await channel.CallAsync(ClusterMethods.Join, request, s_patience, cancellationToken).ConfigureAwait(false);
            }
            catch (RpcException e)
            {
                LogNotAdmitted(address, e.Status.Detail);
                return Refuse(e.Code, e.Code is StatusCode.Unavailable or StatusCode.DeadlineExceeded
                    ? $"the node at {address} cannot be reached: {e.Status.Detail}"
                    : $"the node at {address} refuses: {e.Status.Detail}");
            }
        }
        return Enter(token, address, key, reply);
    }

    private Answer<JoinClusterReply> Enter(JoinToken token, NodeAddress address, ECDsa key, JoinReply reply)
    {
        X509Certificate2 certificate, authority;
        try
        {
            certificate = X509CertificateLoader.LoadCertificate(reply.Certificate.Span);
            authority = X509CertificateLoader.LoadCertificate(reply.CaCertificate.Span);
        }
        catch (CryptographicException e)
        {
            return Refuse(StatusCode.Internal, $"the node at {address} answered with no certificate: {e.Message}");
        }
        using (certificate)
        using (authority)
        {
            using ECDsa? signedKey = certificate.GetECDsaPublicKey();
            if (!token.Signed(authority) || PeerCertificate.Distrust(certificate, authority) is not null
                || PeerCertificate.CommonName(certificate) != options.Node
                || signedKey is null || !signedKey.ExportSubjectPublicKeyInfo().AsSpan().SequenceEqual(key.ExportSubjectPublicKeyInfo()))
                return Refuse(StatusCode.Internal, $"the certificate from the node at {address} is not this node's, or not of the token's CA");
            switch (files.Save(authority, certificate, key))
            {
                case IdentityResult.Loaded loaded:
                    view.Merge(reply.Nodes);
                    identity.Adopt(loaded.Identity);
                    LogJoined(loaded.Identity.Cluster, address);
                    return new Answer<JoinClusterReply>.Given(new JoinClusterReply { Cluster = loaded.Identity.Cluster, Node = options.Node });
                case IdentityResult.Bad bad:
                    return Refuse(StatusCode.Internal, bad.Why);
                default:
                    return Refuse(StatusCode.Internal, $"the certificate could not be kept in {options.EtcDirectory}");
            }
        }
    }

    private static Answer<JoinClusterReply> Refuse(StatusCode code, string why) => new Answer<JoinClusterReply>.Refused(code, why);

    [LoggerMessage(240, LogLevel.Information, "joined cluster '{Cluster}' through {Address}")]
    private partial void LogJoined(string cluster, NodeAddress address);

    [LoggerMessage(241, LogLevel.Warning, "not admitted by {Address}: {Why}")]
    private partial void LogNotAdmitted(NodeAddress address, string why);
}
