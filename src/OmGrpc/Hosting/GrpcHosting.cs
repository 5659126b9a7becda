using System.Net.Sockets;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Https;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using OpenMosix.Grpc.Server;
using OpenMosix.Grpc.Services;

namespace OpenMosix.Grpc;

public static class GrpcHosting
{
    // What a peer may have in flight towards this server, and make it hold. Pages do not come this way: they are pulled, and the
    // windows of the client that pulls grow with the line.
    private const int StreamWindowBytes = 1024 * 1024;
    private const int ConnectionWindowBytes = 4 * 1024 * 1024;
    private const int MaxConnections = 8192;

    /// <summary>
    /// Kestrel as gRPC server: where <paramref name="options"/> says, HTTP/2 only, tuned for pages (blocks of 64 KiB in place of 4 KiB
    /// are worth a factor of two). Then <see cref="GrpcEndpoints.MapGrpcService"/> and <see cref="GrpcEndpoints.MapGrpcStandardServices"/>.
    /// </summary>
    public static WebApplicationBuilder ConfigureOpenMosixKestrel(this WebApplicationBuilder builder, GrpcServerOptions options)
    {
        builder.Services.AddRouting();
        builder.Services.TryAddSingleton(TimeProvider.System);
        builder.Services.AddSingleton(options);
        builder.Services.AddSingleton<CallPipeline>();
        builder.Services.AddSingleton<ServedServices>();
        builder.Services.AddSingleton<TlsConnections>();
        builder.Services.Replace(ServiceDescriptor.Singleton<IMemoryPoolFactory<byte>, PinnedBlockPoolFactory>());
        builder.Services.Configure<SocketTransportOptions>(transport => Sockets(transport, options));
        // Neither the empty builder (no Kestrel) nor the slim one (no TLS) is enough by itself.
        builder.WebHost.UseKestrelCore();
        builder.WebHost.UseKestrelHttpsConfiguration();
        builder.WebHost.ConfigureKestrel(kestrel => Listen(kestrel, options));
        return builder;
    }

    private static void Listen(KestrelServerOptions kestrel, GrpcServerOptions options)
    {
        kestrel.AddServerHeader = false;
        kestrel.Limits.MinRequestBodyDataRate = null;
        kestrel.Limits.MinResponseDataRate = null;
        kestrel.Limits.MaxRequestBodySize = null;
        kestrel.Limits.MaxConcurrentConnections = MaxConnections;
        kestrel.Limits.Http2.InitialStreamWindowSize = StreamWindowBytes;
        kestrel.Limits.Http2.InitialConnectionWindowSize = ConnectionWindowBytes;
        // A peer that has vanished without a word must not hold its calls for ever.
        kestrel.Limits.Http2.KeepAlivePingDelay = TimeSpan.FromSeconds(30);
        kestrel.Limits.Http2.KeepAlivePingTimeout = TimeSpan.FromSeconds(20);

        var tls = kestrel.ApplicationServices.GetRequiredService<TlsConnections>();
        foreach (var endPoint in options.TlsEndPoints)
        {
            kestrel.Listen(endPoint, listen =>
            {
                listen.Protocols = HttpProtocols.Http2;
                listen.Use(next => connection => tls.OutsideAsync(connection, next));
                listen.UseHttps(new TlsHandshakeCallbackOptions { OnConnection = tls.OnConnection });
                listen.Use(next => connection => tls.InsideAsync(connection, next));
            });
        }

        if (options.UnixSocketPath is { } path)
        {
            kestrel.ListenUnixSocket(path, listen =>
            {
                listen.Protocols = HttpProtocols.Http2;
                listen.Use(next => connection =>
                {
                    connection.Features.Set(UnixPeerReader.Read(connection));
                    return next(connection);
                });
            });
        }
    }

    private static void Sockets(SocketTransportOptions transport, GrpcServerOptions options)
    {
        transport.CreateBoundListenSocket = endPoint =>
        {
            if (endPoint is not UnixDomainSocketEndPoint || options.UnixSocketPath is not { } path)
            {
                return SocketTransportOptions.CreateDefaultBoundListenSocket(endPoint);
            }

            // Left by a daemon that was killed. The mode is set before listen(), so nobody gets in by the umask's.
            File.Delete(path);
            var socket = SocketTransportOptions.CreateDefaultBoundListenSocket(endPoint);
            File.SetUnixFileMode(path, options.UnixSocketMode);
            return socket;
        };
    }
}
