using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace OpenMosix.Grpc.Tests;

/// <summary>A real server on a free port of loopback and on a Unix socket of its own, with the log kept.</summary>
internal sealed class TestServer : IAsyncDisposable
{
    private readonly WebApplication _app;
    private readonly DirectoryInfo _directory;

    private TestServer(WebApplication app, TestCertificates certificates, DirectoryInfo directory, EchoHandlers echo, LogCapture log)
    {
        _app = app;
        _directory = directory;
        Certificates = certificates;
        Echo = echo;
        Log = log;
        Port = app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses
            .Select(address => new Uri(address.Replace("http://unix:", "unix:", StringComparison.Ordinal)))
            .First(address => address.Scheme == "https").Port;
    }

    public TestCertificates Certificates { get; }

    public EchoHandlers Echo { get; }

    public LogCapture Log { get; }

    public int Port { get; }

    public string SocketPath => Path.Combine(_directory.FullName, "socket");

    public string Directory => _directory.FullName;

    public static async Task<TestServer> StartAsync(int? maxReceiveBytes = null)
    {
        var certificates = new TestCertificates();
        var identity = certificates.Node("pc1");
        var directory = System.IO.Directory.CreateTempSubdirectory("omgrpc");
        var options = new GrpcServerOptions { Identity = () => identity, UnixSocketPath = Path.Combine(directory.FullName, "socket") };
        options.TlsEndPoints.Add(new IPEndPoint(IPAddress.Loopback, 0));
        options.MaxReceiveMessageBytes = maxReceiveBytes ?? options.MaxReceiveMessageBytes;
        var log = new LogCapture();
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders().AddProvider(log);
        builder.ConfigureOpenMosixKestrel(options);
        var app = builder.Build();
        var echo = new EchoHandlers();
        app.MapGrpcService(EchoHandlers.Service, echo.Bind);
        app.MapGrpcStandardServices();
        await app.StartAsync();
        return new TestServer(app, certificates, directory, echo, log);
    }

    public GrpcChannel Channel(string node = "pc2") =>
        GrpcChannel.ForTls("127.0.0.1", Port, new TlsTarget { Identity = Certificates.Node(node), ExpectedNode = "pc1" });

    public GrpcChannel Channel(TlsTarget target) => GrpcChannel.ForTls("127.0.0.1", Port, target);

    public GrpcChannel UnixChannel() => GrpcChannel.ForUnixSocket(SocketPath);

    public Task StopAsync() => _app.StopAsync();

    public async ValueTask DisposeAsync()
    {
        await _app.DisposeAsync();
        Certificates.Dispose();
        _directory.Delete(recursive: true);
    }
}
