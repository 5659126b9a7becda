using System.Diagnostics;
using System.Net.Sockets;
using System.Security.Cryptography;
using Google.Protobuf;
using Microsoft.Extensions.DependencyInjection;
using OpenMosix.Daemon.Cluster;
using OpenMosix.Daemon.Hosting;
using OpenMosix.Grpc;
using OpenMosix.Protocol.V1;

namespace OpenMosix.Daemon.Tests.Cluster;

/// <summary>Whole daemons on loopback: admission, gossip, death and return, and who is not let in.</summary>
public sealed class ClusterTests : IDisposable
{
    private readonly TestDirectory _directory = new();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose() => _directory.Dispose();

    [Fact]
    public async Task ThreeNodes_InitTokenJoin_AllSeeAll()
    {
        await using TestNode pc1 = await TestNode.StartAsync(_directory, "pc1"), pc2 = await TestNode.StartAsync(_directory, "pc2"), pc3 = await TestNode.StartAsync(_directory, "pc3");
        InitClusterReply made = await pc1.InitAsync("lab");
        Assert.Equal("lab", made.Cluster);
        string token = await pc1.TokenAsync();
        JoinClusterReply joined = await pc2.JoinAsync(token);
        Assert.Equal(("lab", "pc2"), (joined.Cluster, joined.Node));
        await pc3.JoinAsync(token);

        TestNode[] all = [pc1, pc2, pc3];
        foreach (TestNode node in all)
        {
            foreach (TestNode other in all)
                await node.SeesAsync(other.Options.Node, alive: true);
        }
        NodesReply nodes = await pc3.AskAsync<NodesRequest, NodesReply>("Nodes", new());
        Assert.Equal(["pc1", "pc2", "pc3"], nodes.Nodes.Select(n => n.Info.Node));
        Assert.All(nodes.Nodes, n => Assert.True(n.Info.Load.MemoryTotalBytes > 0));
        Assert.Equal(pc2.Options.ListenAddress.ToString(), nodes.Nodes[1].Info.Address);

        GossipMessage heard = await pc3.Service<IPeerChannels>().For("pc2")!.CallAsync(ClusterMethods.Gossip, new GossipMessage { From = "pc3" }, null, Token);
        Assert.Equal("pc2", heard.From);
        Assert.Null(pc3.Service<IPeerChannels>().For("pc9"));
    }

    [Fact]
    public async Task Node_StoppedAndStartedAgain_IsDownThenUp_AndRemembersTheCluster()
    {
        await using TestNode pc1 = await TestNode.StartAsync(_directory, "pc1");
        TestNode pc2 = await TestNode.StartAsync(_directory, "pc2");
        await pc1.InitAsync("lab");
        await pc2.JoinAsync(await pc1.TokenAsync());
        await pc1.SeesAsync("pc2", alive: true);

        IGrpcChannel before = pc1.Service<IPeerChannels>().For("pc2")!;
        await pc2.DisposeAsync();
        await pc1.SeesAsync("pc2", alive: false);
        Assert.False((await pc1.AskAsync<NodesRequest, NodesReply>("Nodes", new())).Nodes.Single(n => n.Info.Node == "pc2").Alive);
        Assert.NotSame(before, pc1.Service<IPeerChannels>().For("pc2"));

        await using TestNode again = await TestNode.StartAsync(pc2.Options);
        Assert.Equal("lab", again.Service<IClusterIdentity>().Current!.Cluster);
        await pc1.SeesAsync("pc2", alive: true);
        await again.SeesAsync("pc1", alive: true);
    }

    /// <summary>Nobody is asked for an hour, unless somebody wants to know.</summary>
    [Fact]
    public async Task NodesAtRest_AskedForTheNodes_LookAtOnce_AndAreAtRestAgain()
    {
        var timing = GossipTiming.InPeriodsOf(TimeSpan.FromMilliseconds(400));
        timing = timing with { RestPeriod = TimeSpan.FromHours(1), RestAfter = timing.DeadAfter * 2 };
        void Rest(IServiceCollection services) => services.AddSingleton(timing);
        await using TestNode pc1 = await TestNode.StartAsync(_directory, "pc1", Rest);
        TestNode pc2 = await TestNode.StartAsync(_directory, "pc2", Rest);
        await pc1.InitAsync("lab");
        await pc2.JoinAsync(await pc1.TokenAsync());
        await pc1.SeesAsync("pc2", alive: true);
        await pc1.Log.SaysAsync("gossip is at rest", times: 1);
        await pc2.Log.SaysAsync("gossip is at rest", times: 1);
        await Task.Delay(timing.DeadAfter, TestContext.Current.CancellationToken); // it is silent for so long, and that means nothing
        NodeStatus quiet = (await pc1.AskAsync<NodesRequest, NodesReply>("Nodes", new())).Nodes.Single(n => n.Info.Node == "pc2");
        Assert.True(quiet.Alive);
        Assert.True(quiet.SilentMs < timing.DeadAfter.TotalMilliseconds, $"heard of {quiet.SilentMs} ms ago");

        await pc1.Log.SaysAsync("gossip is at rest", times: 2);
        await pc2.DisposeAsync();
        await Task.Delay(timing.DeadAfter, TestContext.Current.CancellationToken);
        Assert.True(pc1.View.Find("pc2")!.Alive); // it knows nothing of that
        Assert.False((await pc1.AskAsync<NodesRequest, NodesReply>("Nodes", new())).Nodes.Single(n => n.Info.Node == "pc2").Alive);
    }

    [Fact]
    public async Task Seeds_NoMembersKnown_AreAsked()
    {
        await using TestNode pc1 = await TestNode.StartAsync(_directory, "pc1");
        TestNode pc2 = await TestNode.StartAsync(_directory, "pc2");
        await pc1.InitAsync("lab");
        await pc2.JoinAsync(await pc1.TokenAsync());
        await pc1.SeesAsync("pc2", alive: true);
        await pc2.DisposeAsync();
        File.Delete(Path.Combine(pc2.Options.StateDirectory, "members"));

        // At another address, so that only its own seed can bring the two together.
        await using TestNode again = await TestNode.StartAsync(
            pc2.Options with { ListenAddress = TestNode.NextAddress(), Seeds = [pc1.Options.ListenAddress.ToString()] });
        await again.SeesAsync("pc1", alive: true);
        await pc1.SeesAsync("pc2", alive: true);
    }

    [Fact]
    public async Task Init_Twice_IsRefused()
    {
        await using TestNode pc1 = await TestNode.StartAsync(_directory, "pc1");
        await pc1.InitAsync("lab");
        Assert.Equal(StatusCode.AlreadyExists, (await Assert.ThrowsAsync<RpcException>(() => pc1.InitAsync("lab"))).Code);
    }

    [Fact]
    public async Task Port_BeforeThereIsACluster_IsNotBound()
    {
        await using TestNode pc1 = await TestNode.StartAsync(_directory, "pc1");
        using var before = new TcpClient();
        SocketException refused = await Assert.ThrowsAsync<SocketException>(() => before.ConnectAsync(pc1.Options.ListenAddress, pc1.Options.DaemonPort, Token).AsTask());
        Assert.Equal(SocketError.ConnectionRefused, refused.SocketErrorCode);
        await pc1.InitAsync("lab");
        using var after = new TcpClient();
        await after.ConnectAsync(pc1.Options.ListenAddress, pc1.Options.DaemonPort, Token);
    }

    [Fact]
    public async Task Init_PortInUse_IsRefusedAndNothingIsMade()
    {
        DaemonOptions options = TestNode.OptionsFor(_directory, "pc1");
        await using TestNode pc1 = await TestNode.StartAsync(options);
        using (var other = new TcpListener(options.ListenAddress, options.DaemonPort))
        {
            other.Start();
            await RefusedAsync(StatusCode.FailedPrecondition, $"cannot listen at {options.ListenAddress}:7946: another program does", () => pc1.InitAsync("lab"));
        }
        Assert.False(Directory.Exists(Path.Combine(options.StateDirectory, "ca")));
        await pc1.InitAsync("lab");
    }

    [Fact]
    public async Task Token_WithoutCluster_OrWithoutTheCa_IsRefused()
    {
        await using TestNode pc1 = await TestNode.StartAsync(_directory, "pc1"), pc2 = await TestNode.StartAsync(_directory, "pc2");
        await RefusedAsync(StatusCode.FailedPrecondition, "in no cluster", () => pc2.TokenAsync());
        await pc1.InitAsync("lab");
        await pc2.JoinAsync(await pc1.TokenAsync());
        await RefusedAsync(StatusCode.FailedPrecondition, "does not hold the CA", () => pc2.TokenAsync());
        await RefusedAsync(StatusCode.InvalidArgument, "between a second and", () => pc1.TokenAsync(0));
    }

    [Fact]
    public async Task Join_WrongToken_IsRefusedAndLogged()
    {
        await using TestNode pc1 = await TestNode.StartAsync(_directory, "pc1"), pc2 = await TestNode.StartAsync(_directory, "pc2");
        await pc1.InitAsync("lab");
        JoinToken good = JoinToken.Parse(await pc1.TokenAsync())!;
        await RefusedAsync(StatusCode.InvalidArgument, "not a join token", () => pc2.JoinAsync("om1-nonsense"));
        string guessed = (good with { Secret = RandomNumberGenerator.GetBytes(16) }).Text;
        await RefusedAsync(StatusCode.Unauthenticated, "not one of cluster 'lab'", () => pc2.JoinAsync(guessed));
        Assert.Contains("node pc2 at", pc1.Log.All, StringComparison.Ordinal);
        Assert.Contains("not admitted: the token is not one of cluster 'lab'", pc1.Log.All, StringComparison.Ordinal);
        Assert.Null(pc2.Service<IClusterIdentity>().Current);
        Assert.False(Directory.Exists(pc2.Options.EtcDirectory));
    }

    [Fact]
    public async Task Join_ExpiredToken_IsRefused()
    {
        var time = new MovableTime();
        await using TestNode pc1 = await TestNode.StartAsync(_directory, "pc1", services => Replace(services, time)), pc2 = await TestNode.StartAsync(_directory, "pc2");
        await pc1.InitAsync("lab");
        string token = await pc1.TokenAsync(60);
        time.Offset = TimeSpan.FromSeconds(61);
        await RefusedAsync(StatusCode.Unauthenticated, "has expired", () => pc2.JoinAsync(token));
        Assert.Null(pc2.Service<IClusterIdentity>().Current);
    }

    [Fact]
    public async Task Join_TokenOfAnotherCluster_SecretIsNotSent()
    {
        await using TestNode pc1 = await TestNode.StartAsync(_directory, "pc1"), other = await TestNode.StartAsync(_directory, "other"), pc2 = await TestNode.StartAsync(_directory, "pc2");
        await pc1.InitAsync("lab");
        await other.InitAsync("lab"); // the same name proves nothing
        string token = await pc1.TokenAsync();
        await RefusedAsync(StatusCode.Unavailable, "not of the cluster that made the token", () => pc2.JoinAsync(token, $"{other.Options.ListenAddress}"));
        Assert.DoesNotContain("pc2", other.Log.All, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Join_NobodyThere_SaysWhere()
    {
        await using TestNode pc1 = await TestNode.StartAsync(_directory, "pc1"), pc2 = await TestNode.StartAsync(_directory, "pc2");
        await pc1.InitAsync("lab");
        string token = await pc1.TokenAsync();
        string nowhere = $"{TestNode.NextAddress()}:7946";
        await RefusedAsync(StatusCode.Unavailable, $"the node at {nowhere} cannot be reached", () => pc2.JoinAsync(token, nowhere));
    }

    [Fact]
    public async Task Join_NameThatIsTaken_IsRefused_UntilItsOwnerIsGone()
    {
        await using TestNode pc1 = await TestNode.StartAsync(_directory, "pc1");
        TestNode pc2 = await TestNode.StartAsync(_directory, "pc2");
        await pc1.InitAsync("lab");
        string token = await pc1.TokenAsync();
        await pc2.JoinAsync(token);
        await pc1.SeesAsync("pc2", alive: true);
        using var elsewhere = new TestDirectory();
        await using TestNode twin = await TestNode.StartAsync(elsewhere, "pc2"), chief = await TestNode.StartAsync(elsewhere, "pc1");
        await RefusedAsync(StatusCode.AlreadyExists, "there is a node 'pc2'", () => twin.JoinAsync(token));
        await RefusedAsync(StatusCode.AlreadyExists, "there is a node 'pc1'", () => chief.JoinAsync(token));

        await pc2.DisposeAsync();
        await pc1.SeesAsync("pc2", alive: false);
        await twin.JoinAsync(token);
        await pc1.SeesAsync("pc2", alive: true);
        Assert.Equal(twin.Options.ListenAddress.ToString(), pc1.View.Find("pc2")!.Info.Address);
    }

    [Fact]
    public async Task Join_RequestForAnotherName_IsRefused()
    {
        await using TestNode pc1 = await TestNode.StartAsync(_directory, "pc1");
        await pc1.InitAsync("lab");
        string token = await pc1.TokenAsync();
        using ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using GrpcChannel channel = pc1.Dial(new TlsTarget { Accept = _ => null });
        var request = new JoinRequest
        {
            Token = token,
            Node = "pc2",
            CertificateRequest = ByteString.CopyFrom(CertificateAuthority.MakeRequest("pc3", key)),
            Info = new NodeInfo { DaemonPort = 7946, LinkPort = 7947 },
        };
        await RefusedAsync(StatusCode.InvalidArgument, "names 'pc3', the node calls itself 'pc2'", () => channel.CallAsync(ClusterMethods.Join, request, null, Token));
        Assert.Null(pc1.View.Find("pc2"));
    }

    [Fact]
    public async Task Gossip_NoCertificate_IsRefusedAndLogged()
    {
        await using TestNode pc1 = await TestNode.StartAsync(_directory, "pc1");
        await pc1.InitAsync("lab");
        using GrpcChannel channel = pc1.Dial(new TlsTarget { Accept = _ => null });
        await RefusedAsync(StatusCode.Unauthenticated, "certificate", () => channel.CallAsync(ClusterMethods.Gossip, new GossipMessage { From = "pc2" }, null, Token));
        Assert.Contains("it has no certificate of the cluster", pc1.Log.All, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Gossip_FromPythonGrpcio_WithCertificateAnswered_WithoutRefused()
    {
        const string Python = "/usr/bin/python3";
        Assert.SkipUnless(File.Exists(Python) && (await RunAsync(Python, "-c", "import grpc")).Status == 0, "python3-grpcio is not installed: interoperability is not tested.");
        await using TestNode pc1 = await TestNode.StartAsync(_directory, "pc1"), pc2 = await TestNode.StartAsync(_directory, "pc2");
        await pc1.InitAsync("lab");
        await pc2.JoinAsync(await pc1.TokenAsync());
        (int status, string output) = await RunAsync(
            Python, Path.Combine(AppContext.BaseDirectory, "Cluster", "grpcio_gossip.py"), $"{pc1.Options.ListenAddress}:{pc1.Options.DaemonPort}", pc2.Options.EtcDirectory, "pc1", "pc2");
        Assert.Equal((0, "from pc1\nrefused UNAUTHENTICATED\n"), (status, output));
    }

    [Fact]
    public async Task Gossip_CertificateOfAnotherCa_IsRefusedAndLogged()
    {
        await using TestNode pc1 = await TestNode.StartAsync(_directory, "pc1"), stranger = await TestNode.StartAsync(_directory, "stranger");
        await pc1.InitAsync("lab");
        await stranger.InitAsync("lab");
        using GrpcChannel channel = pc1.Dial(new TlsTarget { Identity = stranger.Service<IClusterIdentity>().Current!.Tls, Accept = _ => null });
        await RefusedAsync(StatusCode.Unavailable, "", () => channel.CallAsync(ClusterMethods.Gossip, new GossipMessage { From = "stranger" }, null, Token));
        Assert.Contains("certificate of 'stranger' is not trusted", pc1.Log.All, StringComparison.Ordinal);
        Assert.Null(pc1.View.Find("stranger"));
    }

    [Fact]
    public async Task Gossip_NameIsNotTheCertificates_IsRefusedAndLogged()
    {
        await using TestNode pc1 = await TestNode.StartAsync(_directory, "pc1"), pc2 = await TestNode.StartAsync(_directory, "pc2");
        await pc1.InitAsync("lab");
        await pc2.JoinAsync(await pc1.TokenAsync());
        using GrpcChannel channel = pc1.Dial(new TlsTarget { Identity = pc2.Service<IClusterIdentity>().Current!.Tls, ExpectedNode = "pc1" });
        var lie = new GossipMessage { From = "pc3", Nodes = { new NodeInfo { Node = "pc3", Address = "10.0.0.3", DaemonPort = 1, LinkPort = 1 } } };
        await RefusedAsync(StatusCode.PermissionDenied, "is of node 'pc2', the message claims to be from 'pc3'", () => channel.CallAsync(ClusterMethods.Gossip, lie, null, Token));
        Assert.Contains("claims to be 'pc3'; not heard", pc1.Log.All, StringComparison.Ordinal);
        Assert.Null(pc1.View.Find("pc3"));
    }

    [Fact]
    public async Task PeerChannel_AnotherNodeAtTheAddress_IsNotUsed()
    {
        await using TestNode pc1 = await TestNode.StartAsync(_directory, "pc1"), pc2 = await TestNode.StartAsync(_directory, "pc2");
        await pc1.InitAsync("lab");
        await pc2.JoinAsync(await pc1.TokenAsync());
        var impostor = new NodeInfo { Node = "pc3", Address = pc1.Options.ListenAddress.ToString(), DaemonPort = 7946, LinkPort = 7947, Incarnation = 1, Sequence = 1 };
        pc2.Service<ClusterView>().Merge([impostor]);
        await RefusedAsync(
            StatusCode.Unavailable, "the server is node 'pc1', not 'pc3'",
            () => pc2.Service<IPeerChannels>().For("pc3")!.CallAsync(ClusterMethods.Gossip, new GossipMessage { From = "pc2" }, null, Token));
    }

    [Fact]
    public async Task Surfaces_EachDoorHidesTheOthersRooms()
    {
        await using TestNode pc1 = await TestNode.StartAsync(_directory, "pc1");
        await pc1.InitAsync("lab");
        await RefusedAsync(StatusCode.Unimplemented, "", () => pc1.Control.CallAsync(ClusterMethods.Gossip, new GossipMessage { From = "pc1" }, null, Token));
        using GrpcChannel nodes = pc1.Dial(new TlsTarget { Identity = pc1.Service<IClusterIdentity>().Current!.Tls });
        var control = new GrpcMethod<NodesRequest, NodesReply>(ControlReflection.Descriptor.FindTypeByName<Google.Protobuf.Reflection.ServiceDescriptor>("Control"), "Nodes");
        await RefusedAsync(StatusCode.Unimplemented, "", () => nodes.CallAsync(control, new NodesRequest(), null, Token));
    }

    [Fact]
    public async Task Start_CertificateOfAnotherNode_IsSaidAndNotUsed()
    {
        DaemonOptions options = TestNode.OptionsFor(_directory, "pc1");
        await using (TestNode pc1 = await TestNode.StartAsync(options))
            await pc1.InitAsync("lab");
        await using TestNode renamed = await TestNode.StartAsync(options with { Node = "pc7" });
        Assert.Null(renamed.Service<IClusterIdentity>().Current);
        Assert.Contains("is of node 'pc1', and this node is 'pc7'", renamed.Log.All, StringComparison.Ordinal);
    }

    private static async Task RefusedAsync(StatusCode code, string words, Func<Task> action)
    {
        RpcException refusal = await Assert.ThrowsAsync<RpcException>(action);
        Assert.Contains(words, refusal.Status.Detail, StringComparison.Ordinal);
        Assert.Equal(code, refusal.Code);
    }

    private static async Task<(int Status, string Output)> RunAsync(string program, params string[] arguments)
    {
        using Process process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true })!;
        string output = await process.StandardOutput.ReadToEndAsync(Token);
        await process.WaitForExitAsync(Token);
        return (process.ExitCode, output);
    }

    private static void Replace(Microsoft.Extensions.DependencyInjection.IServiceCollection services, TimeProvider time) =>
        Microsoft.Extensions.DependencyInjection.ServiceCollectionServiceExtensions.AddSingleton(services, time);

    /// <summary>The system's time, moved.</summary>
    private sealed class MovableTime : TimeProvider
    {
        public TimeSpan Offset { get; set; }

        public override DateTimeOffset GetUtcNow() => base.GetUtcNow() + Offset;
    }
}
