using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.Extensions.DependencyInjection;
using OpenMosix.Daemon.Ship;
using OpenMosix.Grpc;
using OpenMosix.Grpc.Tests;

namespace OpenMosix.Daemon.Tests.Ship;

/// <summary>Node pc1 with its Pages service on TLS over loopback; other nodes get channels to it.</summary>
internal sealed class SourceNode : IAsyncDisposable
{
    private readonly WebApplication _app;
    private readonly TestCertificates _certificates;

    private SourceNode(WebApplication app, TestCertificates certificates)
    {
        _app = app;
        _certificates = certificates;
    }

    public PageSource Pages => _app.Services.GetRequiredService<PageSource>();

    public static async Task<SourceNode> StartAsync()
    {
        var certificates = new TestCertificates();
        TlsIdentity identity = certificates.Node("pc1");
        var options = new GrpcServerOptions { Identity = () => identity };
        options.TlsEndPoints.Add(new IPEndPoint(IPAddress.Loopback, 0));
        WebApplicationBuilder builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.ConfigureOpenMosixKestrel(options);
        builder.Services.AddShip();
        WebApplication app = builder.Build();
        app.MapShip();
        app.MapGrpcStandardServices();
        await app.StartAsync();
        return new SourceNode(app, certificates);
    }

    public GrpcChannel ChannelOf(string node)
    {
        var address = new Uri(_app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.Single());
        return GrpcChannel.ForTls("127.0.0.1", address.Port, new TlsTarget { Identity = _certificates.Node(node), ExpectedNode = "pc1" });
    }

    public async ValueTask DisposeAsync()
    {
        await _app.DisposeAsync();
        _certificates.Dispose();
    }
}
