using System.Diagnostics;

namespace OpenMosix.Grpc.Tests;

/// <summary>The same server, driven by Debian's python3-grpcio.</summary>
public sealed class InteropTests
{
    private const string Python = "/usr/bin/python3";

    [Fact]
    public async Task Grpcio_AllKindsOfCall_OverMutualTlsAndUnixSocket()
    {
        var token = TestContext.Current.CancellationToken;
        Assert.SkipUnless(
            File.Exists(Python) && (await RunAsync(token, "-c", "import grpc, google.protobuf")).Status == 0,
            "python3-grpcio and python3-protobuf are not installed: interoperability is not tested.");
        await using var server = await TestServer.StartAsync();
        var node = server.Certificates.Node("pc2").Certificate;
        await File.WriteAllTextAsync(Path.Combine(server.Directory, "ca.pem"), server.Certificates.Authority.ExportCertificatePem(), token);
        await File.WriteAllTextAsync(Path.Combine(server.Directory, "node.pem"), node.ExportCertificatePem(), token);
        using (var key = System.Security.Cryptography.X509Certificates.ECDsaCertificateExtensions.GetECDsaPrivateKey(node)!)
        {
            await File.WriteAllTextAsync(Path.Combine(server.Directory, "node.key"), key.ExportPkcs8PrivateKeyPem(), token);
        }

        var script = Path.Combine(AppContext.BaseDirectory, "interop", "client.py");
        var (status, output, errors) = await RunAsync(token, script, $"{server.Port}", server.SocketPath, server.Directory);
        Assert.True(status == 0, $"{output}\n{errors}");
        string[] checks =
        [
            "reflection v1", "reflection v1alpha", "unary", "client streaming", "server streaming", "duplex", "raw frames", "large messages",
            "status, detail and trailers", "status after messages", "handler fails", "metadata", "deadline", "cancellation", "unimplemented",
            "compression is declined", "malformed message", "health", "no certificate", "unix socket",
        ];
        Assert.Equal(checks.Select(check => "ok " + check), output.Split('\n', StringSplitOptions.RemoveEmptyEntries));
    }

    private static async Task<(int Status, string Output, string Errors)> RunAsync(CancellationToken token, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(Python, arguments) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        try
        {
            var output = process.StandardOutput.ReadToEndAsync(token);
            var errors = process.StandardError.ReadToEndAsync(token);
            await process.WaitForExitAsync(token);
            return (process.ExitCode, await output, await errors);
        }
        catch
        {
            process.Kill();
            throw;
        }
    }
}
