using System.Globalization;
using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using OpenMosix.Daemon.Cluster;
using OpenMosix.Daemon.Hosting;
using OpenMosix.Grpc;
using OpenMosix.Protocol.V1;
using GrpcServiceDescriptor = Google.Protobuf.Reflection.ServiceDescriptor;

namespace OpenMosix.Daemon.Tests;

/// <summary>The whole daemon of one node, in this process: directories and an address of its own, everything else as installed. No warden.</summary>
internal sealed class TestNode : IAsyncDisposable
{
    /// <summary>As the default, ten times as fast.</summary>
    public static GossipTiming Fast { get; } = GossipTiming.InPeriodsOf(TimeSpan.FromMilliseconds(100));

    private static readonly GrpcServiceDescriptor s_control = ControlReflection.Descriptor.FindTypeByName<GrpcServiceDescriptor>("Control");
    private static int s_count;

    private readonly WebApplication _application;

    private TestNode(DaemonOptions options, WebApplication application, LogLines log, IGrpcChannel control)
    {
        Options = options;
        _application = application;
        Log = log;
        Control = control;
    }

    public DaemonOptions Options { get; }

    public LogLines Log { get; }

    /// <summary>As a tool of this user, over the Unix socket.</summary>
    public IGrpcChannel Control { get; }

    public IClusterView View => Service<IClusterView>();

    public T Service<T>()
        where T : notnull => _application.Services.GetRequiredService<T>();

    /// <summary>127/8 has room for an address per node: every one uses the real ports, and no two tests meet.</summary>
    public static IPAddress NextAddress()
    {
        int number = Interlocked.Increment(ref s_count);
        return IPAddress.Parse(string.Create(
            CultureInfo.InvariantCulture, $"127.{1 + (Environment.ProcessId >> 8 & 127)}.{Environment.ProcessId & 255}.{number % 254 + 1}"));
    }

    public static DaemonOptions OptionsFor(TestDirectory directory, string node) => new()
    {
        Node = node,
        RunDirectory = directory[$"{node}/run"],
        EtcDirectory = directory[$"{node}/etc"],
        StateDirectory = directory[$"{node}/state"],
        ListenAddress = NextAddress(),
        LogLevel = LogLevel.Debug,
    };

    public static Task<TestNode> StartAsync(TestDirectory directory, string node, Action<IServiceCollection>? replace = null) =>
        StartAsync(OptionsFor(directory, node), replace);

    public static async Task<TestNode> StartAsync(DaemonOptions options, Action<IServiceCollection>? replace = null)
    {
        Directory.CreateDirectory(options.RunDirectory);
        var log = new LogLines();
        WebApplication application = DaemonApplication.Build(options, () => new OptionsResult.Good(options), services =>
        {
            services.AddSingleton(Fast);
            services.AddLogging(logging => logging.ClearProviders().AddProvider(log).AddFilter("OpenMosix", LogLevel.Debug));
            replace?.Invoke(services);
        });
        await application.StartAsync(TestContext.Current.CancellationToken);
        return new TestNode(options, application, log, GrpcChannel.ForUnixSocket(options.ControlSocket));
    }

    public Task<TReply> AskAsync<TRequest, TReply>(string method, TRequest request)
        where TRequest : class, Google.Protobuf.IMessage<TRequest>, new()
        where TReply : class, Google.Protobuf.IMessage<TReply>, new() =>
        Control.CallAsync(new GrpcMethod<TRequest, TReply>(s_control, method), request, null, TestContext.Current.CancellationToken);

    public Task<InitClusterReply> InitAsync(string name) => AskAsync<InitClusterRequest, InitClusterReply>("InitCluster", new() { Name = name });

    public async Task<string> TokenAsync(uint seconds = 600) =>
        (await AskAsync<MakeTokenRequest, MakeTokenReply>("MakeToken", new() { ValidSeconds = seconds })).Token;

    public Task<JoinClusterReply> JoinAsync(string token, string address = "") =>
        AskAsync<JoinClusterRequest, JoinClusterReply>("JoinCluster", new() { Token = token, Address = address });

    /// <summary>To this node's port for nodes.</summary>
    public GrpcChannel Dial(TlsTarget target) => GrpcChannel.ForTls(Options.ListenAddress.ToString(), Options.DaemonPort, target);

    /// <summary>Waits until this node sees the other as said; fails when the test's time is up.</summary>
    public async Task SeesAsync(string node, bool alive)
    {
        var seen = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        void Look(NodeStatus status)
        {
            if (status.Info.Node == node && status.Alive == alive)
                seen.TrySetResult();
        }

        View.NodeChanged += Look;
        if (View.Find(node) is { } now)
            Look(now);
        try
        {
            await seen.Task.WaitAsync(TimeSpan.FromSeconds(60), TestContext.Current.CancellationToken);
        }
        catch (TimeoutException)
        {
            Assert.Fail($"{Options.Node} never saw {node} {(alive ? "up" : "down")}\n{Log.All}");
        }
        finally
        {
            View.NodeChanged -= Look;
        }
    }

    public async ValueTask DisposeAsync()
    {
        Control.Dispose();
        await _application.StopAsync(CancellationToken.None);
        await _application.DisposeAsync();
    }
}
