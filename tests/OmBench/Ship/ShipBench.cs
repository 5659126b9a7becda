using System.Diagnostics;
using System.Globalization;
using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.Extensions.DependencyInjection;
using OpenMosix.Daemon.Ship;
using OpenMosix.Grpc;
using OpenMosix.Grpc.Tests;
using OpenMosix.Protocol.Errors;
using OpenMosix.Protocol.V1;

namespace OpenMosix.Bench.Ship;

/// <summary>Memory of one process into another over mutual TLS on loopback, against raw sockets.</summary>
internal static class ShipBench
{
    private const ulong Address = 0x10_0000_0000;
    private const int Runs = 3;

    public static async Task<int> RunAsync(int mib)
    {
        var bytes = (ulong)mib << 20;
        var program = Path.GetFullPath(Path.Combine(AppContext.BaseDirectory, "../../../../tests/memory_child"));
        if (!File.Exists(program))
        {
            await Console.Error.WriteLineAsync($"ombench: {program} is not built: make {program}");
            return 1;
        }

        using var certificates = new TestCertificates();
        TlsIdentity identity = certificates.Node("pc1");
        await using WebApplication app = await SourceAsync(identity);
        var port = new Uri(app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.Single()).Port;
        using GrpcChannel channel = GrpcChannel.ForTls("127.0.0.1", port, new TlsTarget { Identity = certificates.Node("pc2") });
        var image = new ProcessImage { Extents = { new Extent { Address = Address, Bytes = bytes } } };

        var raw = await MeasureAsync("raw TCP, 1 MiB", bytes, null, () => RawTransfer.RunAsync((long)bytes, null));
        await MeasureAsync("raw TLS 1.3, 1 MiB", bytes, raw, () => RawTransfer.RunAsync((long)bytes, identity));
        foreach (var (name, mode) in ((string, string)[])[("4 KiB pages", ""), ("huge pages", "+")])
        {
            using Process source = Child(program, bytes, "random");
            app.Services.GetRequiredService<PageSource>().Register(1, 1, image, source.Id, "pc2");
            Process? target = null;
            await MeasureAsync($"Pull over mTLS into blank memory, {name}", bytes, raw, () => PullAsync(channel, image, target!), () =>
            {
                target?.Kill();
                target?.Dispose();
                target = Child(program, bytes, "blank" + mode);
            });
            await MeasureAsync($"Pull over mTLS into touched memory, {name}", bytes, raw, () => PullAsync(channel, image, target!));
            target!.Kill();
            target.Dispose();
            await app.Services.GetRequiredService<PageSource>().ReleaseAsync(1);
            source.Kill();
        }

        return 0;
    }

    private static async Task<WebApplication> SourceAsync(TlsIdentity identity)
    {
        var options = new GrpcServerOptions { Identity = () => identity };
        options.TlsEndPoints.Add(new IPEndPoint(IPAddress.Loopback, 0));
        WebApplicationBuilder builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.ConfigureOpenMosixKestrel(options);
        builder.Services.AddShip();
        WebApplication app = builder.Build();
        app.MapShip();
        await app.StartAsync();
        return app;
    }

    private static async Task PullAsync(GrpcChannel channel, ProcessImage image, Process target)
    {
        Outcome<PullResult> outcome = await PagePuller.PullAsync(channel, 1, 1, image, new WardenRestoring { MemoryPid = target.Id }, CancellationToken.None);
        if (!outcome.Ok)
            throw new InvalidOperationException(outcome.ToString());
    }

    private static async Task<double> MeasureAsync(string name, ulong bytes, double? raw, Func<Task> run, Action? before = null)
    {
        var rates = new List<double>();
        var cpu = new List<double>();
        for (var i = 0; i <= Runs; i++)
        {
            before?.Invoke();
            var (started, used) = (Stopwatch.GetTimestamp(), Environment.CpuUsage.TotalTime);
            await run();
            rates.Add(bytes / Stopwatch.GetElapsedTime(started).TotalSeconds / 1e9);
            cpu.Add((Environment.CpuUsage.TotalTime - used).TotalSeconds / (bytes / 1e9));
        }

        var median = rates.Skip(1).Order().ElementAt(Runs / 2); // the first is to warm up
        var ratio = raw is { } measure ? string.Create(CultureInfo.InvariantCulture, $"  {median / measure:0.00} of raw TCP") : "";
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{name,-52} {median,5:0.00} GB/s  {cpu.Skip(1).Min(),5:0.00} CPU s/GB, both ends{ratio}"));
        return median;
    }

    private static Process Child(string program, ulong bytes, string mode)
    {
        Process child = Process.Start(new ProcessStartInfo(program, [$"{Address}", $"{bytes}", mode]) { RedirectStandardInput = true, RedirectStandardOutput = true })!;
        child.StandardOutput.ReadLine();
        return child;
    }
}
