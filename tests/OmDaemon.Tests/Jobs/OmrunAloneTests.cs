// omrun without a daemon, or with one that talks nonsense: the command runs all the same.
using System.Net.Sockets;

namespace OpenMosix.Daemon.Tests.Jobs;

public sealed class OmrunAloneTests : IAsyncLifetime
{
    private readonly JobsFixture _jobs = new();

    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    public ValueTask DisposeAsync() => _jobs.DisposeAsync();

    [Fact]
    public async Task Omrun_NoDaemon_SaysSoInOneLineAndRuns()
    {
        (string output, string error, int status) = await _jobs.RunAsync(JobsFixture.Omrun, "--stay", "--", "sh", "-c", "echo out; exit 3");

        Assert.Equal(("out\n", 3), (output, status));
        Assert.StartsWith("omrun: the daemon does not answer", error, StringComparison.Ordinal);
        Assert.Equal(1, error.Count(c => c == '\n'));
    }

    [Fact]
    public async Task Omrun_NoDaemonAndMust_DoesNotRun()
    {
        (string output, string error, int status) = await _jobs.RunAsync(JobsFixture.Omrun, "--must", "echo", "out");

        Assert.Equal(("", 125), (output, status));
        Assert.Contains("--must", error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Omrun_MustBelongsToTheCommand_IsNotOurs() =>
        Assert.Equal("--must\n", (await _jobs.RunAsync(JobsFixture.Omrun, "echo", "--must")).Output);

    public static TheoryData<string> Answers() => new(
        "",
        "0102",
        "ffffffff",
        "14000000" + "0000000000000000000000000000000000000000",
        // Right magic, action execute, command 1000.
        "14000000" + "4f524e3101000000e80300000000000000000000");

    [Theory]
    [MemberData(nameof(Answers))]
    public async Task Omrun_DaemonTalksNonsense_Runs(string answer)
    {
        using var listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        listener.Bind(new UnixDomainSocketEndPoint(_jobs.Options.RunSocket));
        listener.Listen();
        Task serve = Task.Run(async () =>
        {
            using Socket connection = await listener.AcceptAsync();
            await connection.SendAsync(Convert.FromHexString(answer));
            connection.Shutdown(SocketShutdown.Send);
            while (await connection.ReceiveAsync(new byte[4096]) > 0)
            {
            }
        }, TestContext.Current.CancellationToken);

        (string output, string error, int status) = await _jobs.RunAsync(JobsFixture.Omrun, "echo", "out");
        await serve;

        Assert.Equal(("out\n", 0), (output, status));
        Assert.Contains("does not answer", error, StringComparison.Ordinal);
    }
}
