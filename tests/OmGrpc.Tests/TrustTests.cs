using OpenMosix.Grpc.Tests.Protocol;

namespace OpenMosix.Grpc.Tests;

public sealed class TrustTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Unary_ClientWithoutCertificate_OnlyWhatIsForAnybody()
    {
        await using var server = await TestServer.StartAsync();
        using var channel = server.Channel(new TlsTarget { Authority = server.Certificates.Authority });
        Assert.Equal("in", (await channel.CallAsync(EchoHandlers.Anybody, new EchoRequest { Text = "in" }, cancellationToken: Token)).Text);
        var failure = await StatusTests.FailAsync(channel.CallAsync(EchoHandlers.Say, new EchoRequest(), cancellationToken: Token));
        Assert.Equal(StatusCode.Unauthenticated, failure.Code);
        Assert.Contains(server.Log.Lines, line => line.Contains("it has no certificate of the cluster", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Unary_ClientWithoutCertificate_SmallMessagesOnly()
    {
        await using var server = await TestServer.StartAsync();
        using var stranger = server.Channel(new TlsTarget { Authority = server.Certificates.Authority });
        using var node = server.Channel();
        var request = new EchoRequest { Payload = Google.Protobuf.ByteString.CopyFrom(new byte[100_000]) };
        var failure = await StatusTests.FailAsync(stranger.CallAsync(EchoHandlers.Anybody, request, cancellationToken: Token));
        Assert.Equal(StatusCode.ResourceExhausted, failure.Code);
        await node.CallAsync(EchoHandlers.Anybody, request, cancellationToken: Token);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Unary_ClientOfAnotherClusterOrExpired_RefusedAndLogged(bool expired)
    {
        await using var server = await TestServer.StartAsync();
        using var others = new TestCertificates("another cluster");
        var identity = expired ? server.Certificates.Node("pc2", notAfterDays: 0) : others.Node("pc2");
        using var channel = server.Channel(new TlsTarget { Identity = identity, Authority = server.Certificates.Authority });
        var failure = await StatusTests.FailAsync(channel.CallAsync(EchoHandlers.Anybody, new EchoRequest(), cancellationToken: Token));
        Assert.Equal(StatusCode.Unavailable, failure.Code);
        Assert.Contains(server.Log.Lines, line => line.Contains("certificate of 'pc2' is not trusted", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Unary_ServerIsAnotherNode_ClientRefuses()
    {
        await using var server = await TestServer.StartAsync();
        using var channel = server.Channel(new TlsTarget { Identity = server.Certificates.Node("pc2"), ExpectedNode = "pc3" });
        var failure = await StatusTests.FailAsync(channel.CallAsync(EchoHandlers.Say, new EchoRequest(), cancellationToken: Token));
        Assert.Equal(new Status(StatusCode.Unavailable, "the server is node 'pc1', not 'pc3'"), failure.Status);
    }

    [Fact]
    public async Task Unary_ServerOfAnotherCluster_ClientRefuses()
    {
        await using var server = await TestServer.StartAsync();
        using var others = new TestCertificates("another cluster");
        using var channel = server.Channel(new TlsTarget { Identity = others.Node("pc2") });
        var failure = await StatusTests.FailAsync(channel.CallAsync(EchoHandlers.Anybody, new EchoRequest(), cancellationToken: Token));
        Assert.Equal(StatusCode.Unavailable, failure.Code);
        Assert.Contains("certificate of 'pc1' is not trusted", failure.Status.Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Unary_JoiningWithAFingerprint_SeesTheCertificate()
    {
        await using var server = await TestServer.StartAsync();
        string? seen = null;
        using var channel = server.Channel(new TlsTarget { Accept = certificate => { seen = PeerCertificate.CommonName(certificate); return null; } });
        await channel.CallAsync(EchoHandlers.Anybody, new EchoRequest(), cancellationToken: Token);
        Assert.Equal("pc1", seen);
    }
}
