// How a node comes to have a certificate. init makes the CA and signs this node's own; token makes what admits others; admit, on the
// node that holds the CA, signs for whoever shows a good token. One at a time, under one lock. On failure nothing is adopted;
// files are whole or absent (PrivateFile). The joining side is in Joining.
using System.Net;
using System.Security.Cryptography;
using Google.Protobuf;
using Microsoft.Extensions.Logging;
using OpenMosix.Daemon.Hosting;
using OpenMosix.Grpc;
using OpenMosix.Protocol.V1;

namespace OpenMosix.Daemon.Cluster;

internal sealed partial class Admission(
    DaemonOptions options, ClusterIdentity identity, IdentityFiles files, NodeDoor door, ClusterView view, TimeProvider time, ILogger<Admission> log) : IDisposable
{
    private static readonly TimeSpan s_longest = TimeSpan.FromDays(365);
    private readonly SemaphoreSlim _turn = new(1, 1);
    private readonly TokenStore _tokens = new(Path.Combine(options.StateDirectory, "ca", "tokens"), time);

    private string AuthorityDirectory => Path.Combine(options.StateDirectory, "ca");

    public async Task<Answer<InitClusterReply>> InitAsync(string name, CancellationToken cancellationToken)
    {
        if (name.Length == 0)
            name = options.Node;
        if (name.Length > 63 || name.Any(char.IsControl))
            return Refuse<InitClusterReply>(StatusCode.InvalidArgument, "the cluster's name must be at most 63 printable characters");
        await _turn.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            if (identity.Current is { } member)
                return Refuse<InitClusterReply>(StatusCode.AlreadyExists, $"this node is a member of cluster '{member.Cluster}' already; remove {member.CertificatePath} to leave it");
            if (await door.OpenAsync(cancellationToken).ConfigureAwait(false) is { } closed)
                return Refuse<InitClusterReply>(StatusCode.FailedPrecondition, closed);
            // A CA without this node's certificate: an earlier init ended half-way. Its CA is as good as a new one.
            using CertificateAuthority authority = LoadAuthority() ?? CertificateAuthority.Create(name, time.GetUtcNow());
            authority.Save(AuthorityDirectory);
            using ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
            IPAddress.TryParse(view.Self.Address, out IPAddress? address);
            if (authority.Sign(CertificateAuthority.MakeRequest(options.Node, key), options.Node, address, time.GetUtcNow()) is not SigningResult.Signed signed)
                return Refuse<InitClusterReply>(StatusCode.Internal, "the new CA did not sign this node's own certificate");
            if (files.Save(authority.Certificate, signed.Certificate, key) is not IdentityResult.Loaded loaded)
                return Refuse<InitClusterReply>(StatusCode.Internal, $"the certificate could not be kept in {options.EtcDirectory}");
            identity.Adopt(loaded.Identity);
            LogFounded(loaded.Identity.Cluster, Fingerprint(authority));
            return new Answer<InitClusterReply>.Given(new InitClusterReply { Cluster = loaded.Identity.Cluster, Fingerprint = Fingerprint(authority) });
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return Refuse<InitClusterReply>(StatusCode.Internal, e.Message);
        }
        finally
        {
            _turn.Release();
        }
    }

    public async Task<Answer<MakeTokenReply>> MakeTokenAsync(TimeSpan validity, CancellationToken cancellationToken)
    {
        if (validity <= TimeSpan.Zero || validity > s_longest)
            return Refuse<MakeTokenReply>(StatusCode.InvalidArgument, $"a token must be valid between a second and {s_longest.TotalDays} days");
        await _turn.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            using CertificateAuthority? authority = LoadAuthority();
            if (identity.Current is not { } member)
                return Refuse<MakeTokenReply>(StatusCode.FailedPrecondition, "this node is in no cluster; `omctl init` makes one");
            if (authority is null)
                return Refuse<MakeTokenReply>(StatusCode.FailedPrecondition, $"this node does not hold the CA of cluster '{member.Cluster}'; make the token on the node where `omctl init` was run");
            JoinToken token = JoinToken.Make(authority.Certificate, new NodeAddress(view.Self.Address, options.DaemonPort));
            _tokens.Add(token.Secret, validity);
            LogToken(validity);
            return new Answer<MakeTokenReply>.Given(new MakeTokenReply { Token = token.Text });
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return Refuse<MakeTokenReply>(StatusCode.Internal, e.Message);
        }
        finally
        {
            _turn.Release();
        }
    }

    /// <summary>Somebody without a certificate asks for one.</summary>
    /// <param name="from">Where the caller dialled from: its address, if it does not say another.</param>
    public async Task<Answer<JoinReply>> AdmitAsync(JoinRequest request, IPAddress? from, CancellationToken cancellationToken)
    {
        await _turn.WaitAsync(cancellationToken).ConfigureAwait(false);
        Answer<JoinReply> answer;
        try
        {
            answer = Admit(request, from);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or CryptographicException)
        {
            answer = Refuse<JoinReply>(StatusCode.Internal, $"{options.Node} cannot sign: {e.Message}");
        }
        finally
        {
            _turn.Release();
        }
        string claimed = OptionKeys.IsNodeName(request.Node) ? request.Node : "(no node name)";
        if (answer is Answer<JoinReply>.Refused refused)
            LogRefused(claimed, from, refused.Why);
        else
            LogAdmitted(claimed, from);
        return answer;
    }

    public void Dispose() => _turn.Dispose();

    private Answer<JoinReply> Admit(JoinRequest request, IPAddress? from)
    {
        using CertificateAuthority? authority = LoadAuthority();
        if (authority is null || identity.Current is not { } member)
            return Refuse<JoinReply>(StatusCode.FailedPrecondition, $"node '{options.Node}' does not hold a CA and admits nobody");
        if (JoinToken.Parse(request.Token) is not { } token || !token.Signed(authority.Certificate))
            return Refuse<JoinReply>(StatusCode.Unauthenticated, $"the token is not one of cluster '{member.Cluster}'");
        switch (_tokens.Check(token.Secret))
        {
            case TokenVerdict.Unknown:
                return Refuse<JoinReply>(StatusCode.Unauthenticated, $"the token is not one of cluster '{member.Cluster}'");
            case TokenVerdict.Expired:
                return Refuse<JoinReply>(StatusCode.Unauthenticated, "the token has expired; make a new one with `omctl token`");
        }
        if (!OptionKeys.IsNodeName(request.Node))
            return Refuse<JoinReply>(StatusCode.InvalidArgument, "the node's name is not one (letters, digits, '-', '_', '.', at most 63)");
        // A node that lost its certificate may come again; a token must not make anyone a node that is there.
        if (request.Node == options.Node || view.Find(request.Node) is { Alive: true })
            return Refuse<JoinReply>(StatusCode.AlreadyExists, $"there is a node '{request.Node}' in the cluster; set another `node = NAME` on the one that joins");

        NodeInfo info = request.Info?.Clone() ?? new NodeInfo();
        info.Node = request.Node;
        if (!IPAddress.TryParse(info.Address, out IPAddress? address) && from is not null)
        {
            address = from;
            info.Address = from.ToString();
        }
        if (NodeInfoRules.Fault(info) is { } fault)
            return Refuse<JoinReply>(StatusCode.InvalidArgument, $"what '{request.Node}' says of itself is not right: {fault}");
        switch (authority.Sign(request.CertificateRequest.Span, request.Node, address, time.GetUtcNow()))
        {
            case SigningResult.Refused refused:
                return Refuse<JoinReply>(StatusCode.InvalidArgument, refused.Why);
            case SigningResult.Signed signed:
                var reply = new JoinReply
                {
                    Cluster = member.Cluster,
                    Certificate = ByteString.CopyFrom(signed.Certificate.RawData),
                    CaCertificate = ByteString.CopyFrom(authority.Certificate.RawData),
                };
                reply.Nodes.Add(view.Membership.Message().Nodes);
                view.Expect(info);
                return new Answer<JoinReply>.Given(reply);
            default:
                throw new InvalidOperationException();
        }
    }

    private CertificateAuthority? LoadAuthority() => CertificateAuthority.Load(AuthorityDirectory);

    private static string Fingerprint(CertificateAuthority authority) => authority.Certificate.GetCertHashString(HashAlgorithmName.SHA256);

    private static Answer<T> Refuse<T>(StatusCode code, string why) => new Answer<T>.Refused(code, why);

    [LoggerMessage(230, LogLevel.Information, "cluster '{Cluster}' made; its CA's SHA-256 fingerprint is {Fingerprint}")]
    private partial void LogFounded(string cluster, string fingerprint);

    [LoggerMessage(231, LogLevel.Information, "join token made, valid for {Validity}")]
    private partial void LogToken(TimeSpan validity);

    [LoggerMessage(232, LogLevel.Information, "node {Node} admitted from {From}")]
    private partial void LogAdmitted(string node, IPAddress? from);

    [LoggerMessage(233, LogLevel.Warning, "node {Node} at {From} not admitted: {Why}")]
    private partial void LogRefused(string node, IPAddress? from, string why);
}
