// Builds and runs the daemon: one container; Kestrel on the Unix socket for tools. Nodes are served by Cluster/NodeServer, which
// exists only while this node has a certificate. Each folder adds its services and maps its gRPC services by one call here.
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using OpenMosix.Daemon.Balancing;
using OpenMosix.Daemon.Cluster;
using OpenMosix.Daemon.Control;
using OpenMosix.Daemon.Jobs;
using OpenMosix.Daemon.Migration;
using OpenMosix.Daemon.Ship;
using OpenMosix.Daemon.Warden;

namespace OpenMosix.Daemon.Hosting;

public static class DaemonApplication
{
    public static async Task<int> RunAsync(DaemonOptions options)
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
            WebApplication application = Build(options);
            await using (application.ConfigureAwait(false))
            {
                await application.RunAsync().ConfigureAwait(false);
            }
        }
        return Environment.ExitCode;
    }

    /// <summary>The whole daemon, not started. The caller holds the run directory (tests: one that nobody else uses).</summary>
    public static WebApplication Build(DaemonOptions options)
    {
        // The empty builder reads no appsettings.json and watches no file.
        WebApplicationBuilder builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions { ApplicationName = "openmosixd" });
        builder.WebHost.UseKestrelCore();
        builder.WebHost.ConfigureKestrel(kestrel => ConfigureControlSocket(kestrel, options));

        builder.Services
            .AddRouting()
            .AddSingleton(options)
            .AddSingleton(TimeProvider.System)
            .AddHosting(options)
            .AddCluster()
            .AddControl()
            .AddWarden()
            .AddJobs()
            .AddMigration()
            .AddShip()
            .AddBalancing();

        WebApplication application = builder.Build();
        application.UseRouting();
        application.MapControl();
        return application;
    }

    private static void ConfigureControlSocket(KestrelServerOptions kestrel, DaemonOptions options)
    {
        kestrel.AddServerHeader = false;
        File.Delete(options.ControlSocket); // a stale one: whoever calls holds the run directory
        kestrel.ListenUnixSocket(options.ControlSocket, listen =>
        {
            listen.Protocols = HttpProtocols.Http2;
            listen.Use(Caller.Attach);
        });
    }
}
