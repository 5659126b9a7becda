// The real omrun against the daemon's real socket.
using System.Net.Sockets;
using OpenMosix.Daemon.Jobs;

namespace OpenMosix.Daemon.Tests.Jobs;

public sealed class OmrunTests : IAsyncLifetime
{
    private readonly JobsFixture _jobs = new();

    public async ValueTask InitializeAsync() => await _jobs.ListenAsync();

    public ValueTask DisposeAsync() => _jobs.DisposeAsync();

    [Fact]
    public async Task Omrun_Command_KeepsThePidAndGivesItsStatus()
    {
        (string output, string error, int status) = await _jobs.RunAsync("sh", "-c", $"echo $$; exec {JobsFixture.Omrun} sh -c 'echo $$; exit 7'");

        string[] lines = output.Split('\n');
        Assert.Equal(lines[0], lines[1]);
        Assert.Equal((7, ""), (status, error));
        Assert.Contains(_jobs.Feed.Events, happened => happened.Kind == "started" && happened.Pid.ToString() == lines[0]);
    }

    [Fact]
    public async Task Omrun_Command_IsAJobWhileItRuns()
    {
        var process = _jobs.Start(JobsFixture.Omrun, "--stay", "--", "sh", "-c", "echo ready; read end");
        Assert.Equal("ready", await process.StandardOutput.ReadLineAsync(TestContext.Current.CancellationToken));

        JobProcess? known = _jobs.Registry.Find(process.Id);
        process.StandardInput.Close();
        await _jobs.EndedAsync(() => _jobs.Registry.Processes.Count == 0);

        Assert.Equal("sh -c echo ready; read end", known?.Job.Command);
        Assert.True(known!.Job.Stay);
        Assert.True(known.HasEnded);
    }

    [Theory]
    [InlineData("tr '\\0' '\\n' < /proc/self/environ")]
    [InlineData("grep -E '^(Sig(Pnd|Blk|Ign|Cgt)|ShdPnd|Seccomp|NoNewPrivs|TracerPid|Uid|Groups)' /proc/self/status")]
    [InlineData("ls -l /proc/self/fd | sed 's/.*[0-9] \\([0-9]* ->\\)/\\1/; s/\\[[0-9]*\\]//; s,/proc/[0-9]*/,/proc/PID/,'")]
    [InlineData("cat /proc/self/limits /proc/self/oom_score_adj /proc/self/timerslack_ns /proc/self/cgroup")]
    public async Task Omrun_Command_SeesWhatItWouldSeeWithoutIt(string command)
    {
        // bash puts the path of what it starts into `_`: omrun gives the command the one it would have had.
        string script = $"trap '' USR1; trap : USR2; $OMRUN sh -c \"{command}\"".Replace("\\", "\\\\", StringComparison.Ordinal);
        (string bare, _, int bareStatus) = await _jobs.RunAsync("env", "OMRUN=", "bash", "-c", script);
        (string under, string error, int status) = await _jobs.RunAsync("env", $"OMRUN={JobsFixture.Omrun}", "bash", "-c", script);

        static string Comparable(string text) => string.Join('\n', text.Split('\n').Where(line => !line.StartsWith("OMRUN=", StringComparison.Ordinal)));
        Assert.NotEmpty(bare);
        Assert.Equal((Comparable(bare), bareStatus, ""), (Comparable(under), status, error));
    }

    [Theory]
    [InlineData(127, "nowhere-to-be-found")]
    [InlineData(127, "/nowhere/to/be/found")]
    [InlineData(126, "/etc/passwd")]
    [InlineData(126, "/etc")]
    [InlineData(125, "--no-such-option", "true")]
    [InlineData(125)]
    [InlineData(125, "--stay")]
    public async Task Omrun_CannotRun_EndsAsEnvDoesAndLeavesNoJob(int expected, params string[] arguments)
    {
        (string output, string error, int status) = await _jobs.RunAsync(JobsFixture.Omrun, arguments);
        if (expected != 125)
            Assert.Equal(expected, (await _jobs.RunAsync("env", arguments)).Status);
        await _jobs.EndedAsync(() => _jobs.Registry.Processes.Count == 0);

        Assert.Equal((expected, ""), (status, output));
        Assert.StartsWith("omrun: ", error, StringComparison.Ordinal);
        Assert.Equal(1, error.Count(c => c == '\n'));
    }

    [Fact]
    public async Task Omrun_ScriptWithoutInterpreter_RunsInTheShell()
    {
        string script = Path.Combine(_jobs.RunDirectory, "script");
        await File.WriteAllTextAsync(script, "echo \"$0 $1\"\n", TestContext.Current.CancellationToken);
        File.SetUnixFileMode(script, (UnixFileMode)0b111_101_101);

        Assert.Equal($"{script} a b\n", (await _jobs.RunAsync(JobsFixture.Omrun, script, "a b")).Output);
    }

    [Theory]
    [InlineData("--help", "Usage: omrun")]
    [InlineData("--version", "omrun ")]
    public async Task Omrun_Asked_Prints(string option, string expected)
    {
        (string output, string error, int status) = await _jobs.RunAsync(JobsFixture.Omrun, option, "false");

        Assert.StartsWith(expected, output, StringComparison.Ordinal);
        Assert.Equal((0, ""), (status, error));
    }

    [Fact]
    public async Task Omrun_Json_ErrorsAreOneLineOfJson()
    {
        (_, string error, int status) = await _jobs.RunAsync(JobsFixture.Omrun, "--json", "--x\"y", "true");

        using var json = System.Text.Json.JsonDocument.Parse(error);
        Assert.Equal("unknown-option", json.RootElement.GetProperty("error").GetProperty("name").GetString());
        Assert.Equal(125, status);
    }

    [Fact]
    public async Task Omrun_LargeCommandLine_Arrives()
    {
        string[] arguments = ["sh", "-c", "echo $#", "sh", .. Enumerable.Repeat(new string('x', 1000), 1500)];

        Assert.Equal(("1500\n", "", 0), await _jobs.RunAsync(JobsFixture.Omrun, arguments));
    }

    [Fact]
    public async Task Listener_Nonsense_ClosesAndGoesOnServing()
    {
        foreach (byte[] nonsense in new byte[][] { [1], [0xff, 0xff, 0xff, 0xff], [4, 0, 0, 0, 1, 2, 3, 4], [16, 0, 0, 0, .. new byte[16]] })
        {
            using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            await socket.ConnectAsync(new UnixDomainSocketEndPoint(_jobs.Options.RunSocket), TestContext.Current.CancellationToken);
            await socket.SendAsync(nonsense, TestContext.Current.CancellationToken);
            socket.Shutdown(SocketShutdown.Send);
            Assert.Equal(0, await socket.ReceiveAsync(new byte[1], TestContext.Current.CancellationToken));
        }

        Assert.Equal(("fine\n", "", 0), await _jobs.RunAsync(JobsFixture.Omrun, "echo", "fine"));
    }
}
