// Builds and runs the daemon: one container, one Kestrel with two doors — the Unix socket for tools, mutual TLS for nodes (Surface).
// Each folder adds its services and maps its gRPC services by one call here.
using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Routing;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using OpenMosix.Daemon.Balancing;
using OpenMosix.Daemon.Cluster;
using OpenMosix.Daemon.Control;
using OpenMosix.Daemon.Jobs;
using OpenMosix.Daemon.Migration;
using OpenMosix.Daemon.Ship;
using OpenMosix.Daemon.Warden;
using OpenMosix.Grpc;

namespace OpenMosix.Daemon.Hosting;

public static class DaemonApplication
{
    public static async Task<int> RunAsync(DaemonOptions options, Func<OptionsResult> reread)
    {
        RunDirectory run;
        switch (RunDirectory.Take(options))
        {
            case RunDirectoryResult.Taken taken:
                run = taken.Directory;
                break;
            case RunDirectoryResult.InUse inUse:
                await Console.Error.WriteLineAsync($"openmosixd: {options.RunDirectory}: in use by another openmosixd (pid {inUse.Pid})").ConfigureAwait(false);
                return ExitStatus.AlreadyRuns;
            case RunDirectoryResult.Failed failed:
                await Console.Error.WriteLineAsync($"openmosixd: {failed.Message}").ConfigureAwait(false);
                return ExitStatus.Failed;
            default:
                return ExitStatus.Failed;
        }

        using (run)
        {
            WebApplication application = Build(options, reread);
            await using (application.ConfigureAwait(false))
            {
                await application.RunAsync().ConfigureAwait(false);
            }
        }
        return Environment.ExitCode;
    }

    /// <summary>The whole daemon, not started. The caller holds the run directory (tests: one that nobody else uses).</summary>
    /// <param name="reread">Reads the options again, for SIGHUP.</param>
    /// <param name="replace">Last word on the services.</param>
    public static WebApplication Build(DaemonOptions options, Func<OptionsResult> reread, Action<IServiceCollection>? replace = null)
    {
        // The empty builder reads no appsettings.json and watches no file.
        WebApplicationBuilder builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions { ApplicationName = "openmosixd" });
        builder.WebHost.UseKestrelCore();
        var doors = new GrpcServerOptions { UnixSocketPath = options.ControlSocket };
        doors.TlsEndPoints.Add(new IPEndPoint(options.ListenAddress, options.DaemonPort));
        builder.ConfigureOpenMosixKestrel(doors);

        builder.Services
            .AddRoutingCore()
            .AddSingleton(options)
            .AddSingleton(new OptionsReload(options, reread))
            .AddHosting(options)
            .AddSingleton<SocketTransportFactory>()
            .AddSingleton<NodeDoor>()
            .AddSingleton<IConnectionListenerFactory>(all => all.GetRequiredService<NodeDoor>())
            .AddCluster()
            .AddControl()
            .AddWarden()
            .AddJobs()
            .AddMigration()
            .AddShip()
            .AddBalancing();
        replace?.Invoke(builder.Services);

        WebApplication application = builder.Build();
        var identity = application.Services.GetRequiredService<IClusterIdentity>();
        doors.Identity = () => identity.Current?.Tls;

        application.UseRouting();
        application.Use(Surfaces.KeepApart);
        application.For(Surface.Tools).MapControl();
        RouteGroupBuilder nodes = application.For(Surface.Nodes);
        nodes.MapCluster();
        nodes.MapMigration();
        nodes.MapShip();
        application.MapGrpcStandardServices();
        return application;
    }
}
