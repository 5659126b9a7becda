using System.Diagnostics;
using System.Globalization;
using System.Net.Sockets;
using System.Text;
using OpenMosix.Daemon.Hosting;

namespace OpenMosix.Daemon.Tests.Hosting;

public sealed class RunDirectoryTests : IDisposable
{
    private readonly TestDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    [Fact]
    public void Take_HeldByAnother_SaysByWhom()
    {
        DaemonOptions options = TestNode.OptionsFor(_directory, "pc1");
        using RunDirectory held = Assert.IsType<RunDirectoryResult.Taken>(RunDirectory.Take(options)).Directory;
        Assert.Equal(Environment.ProcessId.ToString(CultureInfo.InvariantCulture), Assert.IsType<RunDirectoryResult.InUse>(RunDirectory.Take(options)).Pid);
    }

    [Fact]
    public void Take_AfterTheFirstIsGone_Succeeds()
    {
        DaemonOptions options = TestNode.OptionsFor(_directory, "pc1");
        Assert.IsType<RunDirectoryResult.Taken>(RunDirectory.Take(options)).Directory.Dispose();
        Assert.IsType<RunDirectoryResult.Taken>(RunDirectory.Take(options)).Directory.Dispose();
    }

    [Fact]
    public void Take_ImpossiblePlace_NamesIt()
    {
        string file = _directory.Write("file", "");
        string message = Assert.IsType<RunDirectoryResult.Failed>(RunDirectory.Take(new DaemonOptions { RunDirectory = file + "/run" })).Message;
        Assert.Contains(file, message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Start_SocketLeftByAKilledDaemon_IsReplaced()
    {
        DaemonOptions options = TestNode.OptionsFor(_directory, "pc1");
        Directory.CreateDirectory(options.RunDirectory);
        using (var left = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified))
            left.Bind(new UnixDomainSocketEndPoint(options.ControlSocket));
        await using TestNode node = await TestNode.StartAsync(options);
        Assert.Equal("pc1", (await node.AskAsync<Protocol.V1.NodesRequest, Protocol.V1.NodesReply>("Nodes", new())).Self);
        Assert.Equal((UnixFileMode)0b110_110_110, File.GetUnixFileMode(options.ControlSocket));
    }

    [Fact]
    public async Task Daemon_SecondInOneRunDirectory_EndsWithItsOwnStatus()
    {
        DaemonOptions options = TestNode.OptionsFor(_directory, "pc1");
        using RunDirectory held = Assert.IsType<RunDirectoryResult.Taken>(RunDirectory.Take(options)).Directory;
        (int status, string errors) = await RunDaemonAsync("--run-dir", options.RunDirectory, "--etc-dir", options.EtcDirectory, "--state-dir", options.StateDirectory);
        Assert.Equal(3, status);
        Assert.Contains($"{options.RunDirectory}: in use by another openmosixd (pid {Environment.ProcessId})", errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Daemon_BadConfiguration_EndsWithUsage()
    {
        (int status, string errors) = await RunDaemonAsync("--daemon-port", "x", "--etc-dir", _directory.Path);
        Assert.Equal(2, status);
        Assert.Contains("openmosixd: --daemon-port: daemon-port = 'x' is not a port", errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Notifier_UnderSystemd_SpeaksItsProtocol()
    {
        string path = _directory["notify"];
        using var systemd = new Socket(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified);
        systemd.Bind(new UnixDomainSocketEndPoint(path));
        var environment = new Dictionary<string, string?> { ["NOTIFY_SOCKET"] = path, ["WATCHDOG_USEC"] = "30000000" };
        var notifier = new SystemdNotifier(environment.GetValueOrDefault);
        Assert.Equal(TimeSpan.FromSeconds(30), notifier.Watchdog);
        notifier.Ready("node pc1");
        notifier.Reloading();
        notifier.Alive();
        notifier.Stopping();
        Assert.Equal("READY=1\nSTATUS=node pc1", await ReceiveAsync(systemd));
        Assert.StartsWith("RELOADING=1\nMONOTONIC_USEC=", await ReceiveAsync(systemd), StringComparison.Ordinal);
        Assert.Equal("WATCHDOG=1", await ReceiveAsync(systemd));
        Assert.Equal("STOPPING=1", await ReceiveAsync(systemd));
    }

    [Fact]
    public void Notifier_WatchdogOfAnotherProcess_IsNotOurs()
    {
        var environment = new Dictionary<string, string?> { ["WATCHDOG_USEC"] = "30000000", ["WATCHDOG_PID"] = "1" };
        Assert.Null(new SystemdNotifier(environment.GetValueOrDefault).Watchdog);
    }

    private static async Task<string> ReceiveAsync(Socket socket)
    {
        var bytes = new byte[4096];
        return Encoding.UTF8.GetString(bytes, 0, await socket.ReceiveAsync(bytes, TestContext.Current.CancellationToken));
    }

    private static async Task<(int Status, string Errors)> RunDaemonAsync(params string[] arguments)
    {
        string program = Path.Combine(AppContext.BaseDirectory, "openmosixd");
        using Process process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardError = true })!;
        string errors = await process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);
        return (process.ExitCode, errors);
    }
}
