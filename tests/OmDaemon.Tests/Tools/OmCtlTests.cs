using System.Diagnostics;
using System.Text.Json;
using Microsoft.Extensions.DependencyInjection;
using OpenMosix.Daemon.Control;
using OpenMosix.Protocol.V1;

namespace OpenMosix.Daemon.Tests.Tools;

/// <summary>What a script relies on: exit statuses, JSON fields, where messages go.</summary>
public sealed class OmCtlTests : IAsyncLifetime
{
    private readonly TestDirectory _directory = new();
    private readonly Jobs _jobs = new();
    private TestNode _node = null!;

    public async ValueTask InitializeAsync() => _node = await TestNode.StartAsync(_directory, "pc1", services =>
    {
        services.AddSingleton<IProcessDirectory>(_jobs);
        services.AddSingleton<IMover>(_jobs);
    });

    public async ValueTask DisposeAsync()
    {
        await _node.DisposeAsync();
        _directory.Dispose();
    }

    [Theory]
    [InlineData("Required command was not provided")]
    [InlineData("'frobnicate'", "frobnicate")]
    [InlineData("'--frob'", "nodes", "--frob")]
    [InlineData("'abc' is not a process id", "migrate", "abc", "home")]
    [InlineData("'-4' is not a process id", "why", "--", "-4")]
    [InlineData("'tomorrow' is not a time", "token", "--valid", "tomorrow")]
    [InlineData("'migrate'", "migrate", "1")]
    public async Task AnyCommand_WrongUsage_2AndSaysWhat(string words, params string[] arguments)
    {
        Tool tool = await Tool.RunAsync(arguments);
        Assert.Equal((2, ""), (tool.Status, tool.Output));
        Assert.Contains(words, tool.Errors, StringComparison.Ordinal);
        Assert.Contains("--help", tool.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task AnyCommand_NoDaemon_3()
    {
        string nowhere = _directory["nowhere"];
        Tool text = await Tool.RunAsync("nodes", "--run-dir", nowhere);
        Assert.Equal((3, ""), (text.Status, text.Output));
        Assert.Contains($"openmosixd does not run on this node ({nowhere}/openmosixd.sock is not there)", text.Errors, StringComparison.Ordinal);
        Tool json = await Tool.RunAsync("ps", "--json", "--run-dir", nowhere);
        Assert.Equal((3, 3, ""), (json.Status, json.Json.GetProperty("exit_status").GetInt32(), json.Errors));
    }

    [Fact]
    public async Task Cluster_InitTokenJoinNodes_AsInTheReadme()
    {
        await using TestNode pc2 = await TestNode.StartAsync(_directory, "pc2");
        Tool init = await Tool.RunAsync(_node, "init", "--name", "lab", "--json");
        Assert.Equal((0, "lab"), (init.Status, init.Json.GetProperty("cluster").GetString()));
        Assert.Equal(64, init.Json.GetProperty("ca_fingerprint").GetString()!.Length);
        Assert.Equal(1, (await Tool.RunAsync(_node, "init")).Status);

        Tool token = await Tool.RunAsync(_node, "token", "--valid", "10m");
        Assert.Equal(0, token.Status);
        Tool join = await Tool.RunAsync(pc2, "join", token.Output.Trim());
        Assert.Equal((0, "node 'pc2' is a member of cluster 'lab'\n"), (join.Status, join.Output));
        await _node.SeesAsync("pc2", alive: true);

        Tool nodes = await Tool.RunAsync(_node, "nodes", "--json");
        Assert.Equal(0, nodes.Status);
        Assert.Equal("pc1", nodes.Json.GetProperty("self").GetString());
        JsonElement second = nodes.Json.GetProperty("nodes")[1];
        Assert.Equal(
            [
                "node", "alive", "silent_ms", "address", "daemon_port", "link_port", "cpus", "load1", "memory_total_bytes", "memory_available_bytes",
                "memory_pressure", "hosted", "away", "accepts", "version", "kernel_release",
            ],
            second.EnumerateObject().Select(p => p.Name));
        Assert.Equal(("pc2", true), (second.GetProperty("node").GetString(), second.GetProperty("alive").GetBoolean()));

        string[] lines = (await Tool.RunAsync(_node, "nodes")).Output.TrimEnd('\n').Split('\n');
        Assert.Equal(3, lines.Length);
        Assert.StartsWith("NODE", lines[0], StringComparison.Ordinal);
        Assert.StartsWith("pc1 *", lines[1], StringComparison.Ordinal);
        Assert.All(lines, line => Assert.Equal(line.TrimEnd(), line));
    }

    [Fact]
    public async Task Join_Refused_1AndSaysWhy()
    {
        Tool tool = await Tool.RunAsync(_node, "join", "om1-nonsense");
        Assert.Equal(1, tool.Status);
        Assert.Contains("this is not a join token", tool.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Ps_Json_HasTheFields()
    {
        JsonElement process = (await Tool.RunAsync(_node, "ps", "--json")).Json.GetProperty("processes")[0];
        Assert.Equal(
            ["pid", "command", "uid", "job", "home", "where", "state", "resident_bytes", "epoch", "moves", "forwarded_calls", "last_move"],
            process.EnumerateObject().Select(p => p.Name));
    }

    [Fact]
    public async Task Ps_CommandThatWouldSteerTheTerminal_IsShownNotSent()
    {
        string output = (await Tool.RunAsync(_node, "ps")).Output;
        Assert.DoesNotContain('\e', output);
        Assert.Contains("evil?[2J", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Migrate_Moved_0WithStages()
    {
        Tool text = await Tool.RunAsync(_node, "migrate", "10", "home");
        Assert.Equal(0, text.Status);
        Assert.Contains("process 10 moved from pc2 to pc1: 3 MiB, stood still for 12.0 ms", text.Output, StringComparison.Ordinal);
        foreach (string stage in new[] { "Freeze", "Snapshot", "Ship", "Restore", "Commit" })
            Assert.Contains(stage, text.Output, StringComparison.Ordinal);
        JsonElement json = (await Tool.RunAsync(_node, "migrate", "10", "home", "--json")).Json;
        Assert.Equal((true, 12000, 3 << 20), (json.GetProperty("moved").GetBoolean(), json.GetProperty("times").GetProperty("stall_us").GetInt32(), json.GetProperty("bytes").GetInt32()));
    }

    [Fact]
    public async Task Migrate_Refused_1WithReason()
    {
        Tool text = await Tool.RunAsync(_node, "migrate", "11", "home");
        Assert.Equal((1, ""), (text.Status, text.Output));
        Assert.Contains("process 11 was not moved and runs on at pc1: io-uring: fd 5 — run it without io_uring", text.Errors, StringComparison.Ordinal);
        Tool json = await Tool.RunAsync(_node, "migrate", "11", "home", "--json");
        Assert.Equal((1, "io-uring"), (json.Status, json.Json.GetProperty("failure").GetProperty("refusal").GetProperty("name").GetString()));
    }

    [Theory]
    [InlineData("77", "home", "process 77 is not of a job of this node")]
    [InlineData("10", "pc9", "there is no node 'pc9' in the cluster")]
    public async Task Migrate_NoSuchProcessOrNode_4(string pid, string node, string words)
    {
        Tool tool = await Tool.RunAsync(_node, "migrate", pid, node);
        Assert.Equal(4, tool.Status);
        Assert.Contains(words, tool.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Why_CanAndCannot_0And1()
    {
        Tool can = await Tool.RunAsync(_node, "why", "10"), cannot = await Tool.RunAsync(_node, "why", "11", "--json");
        Assert.Equal((0, "process 10 is at pc2 and can move\n"), (can.Status, can.Output));
        Assert.Equal((1, "fd 5"), (cannot.Status, cannot.Json.GetProperty("refusal").GetProperty("object").GetString()));
    }

    [Fact]
    public async Task AnotherUser_SeesNothing_MovesNothing_ChangesNothing_5()
    {
        Assert.Equal(0, (await Tool.RunAsNobodyAsync(_node, "ps", "--all", "--json")).Json.GetProperty("processes").GetArrayLength());
        Tool migrate = await Tool.RunAsNobodyAsync(_node, "migrate", "10", "home");
        Assert.Equal(5, migrate.Status);
        Assert.Contains("process 10 is of user 0, not yours", migrate.Errors, StringComparison.Ordinal);
        Assert.Equal(5, (await Tool.RunAsNobodyAsync(_node, "init")).Status);
        Assert.Null(_node.Service<OpenMosix.Daemon.Cluster.IClusterIdentity>().Current);
    }

    [Fact]
    public async Task Watch_Interrupted_130_AfterLinesOfJson()
    {
        using Process watch = Tool.Start(_node, "watch", "--json");
        using var published = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        JsonElement begin = JsonDocument.Parse((await watch.StandardOutput.ReadLineAsync(published.Token))!).RootElement;
        Assert.Equal("watching", begin.GetProperty("kind").GetString());
        _node.Service<IEventFeed>().Publish(new WatchEvent { Kind = "moved", Pid = 10, Text = "moved", From = "pc1", To = "pc2", Times = new StageTimes { StallUs = 5 } });
        JsonElement happened = JsonDocument.Parse((await watch.StandardOutput.ReadLineAsync(published.Token))!).RootElement;
        Assert.Equal(["time", "kind", "pid", "text", "from", "to", "times", "bytes"], happened.EnumerateObject().Select(p => p.Name));
        Process.Start("/bin/kill", ["-INT", $"{watch.Id}"]).Dispose();
        await watch.WaitForExitAsync(published.Token);
        Assert.Equal(130, watch.ExitCode);
    }

    [Fact]
    public async Task Doctor_NoDaemon_SaysWhetherTheNodeIsFit()
    {
        Tool tool = await Tool.RunAsync("doctor", "--json", "--run-dir", _directory["nowhere"]);
        Assert.SkipWhen(tool.Output.Contains("libomprobe.so is missing", StringComparison.Ordinal), "libomprobe.so is not built (make builds it): doctor is not tested.");
        JsonElement[] checks = [.. tool.Json.GetProperty("checks").EnumerateArray()];
        bool fit = checks.All(c => !c.GetProperty("required").GetBoolean() || c.GetProperty("status").GetString() != "missing");
        Assert.Equal(fit, tool.Json.GetProperty("fit").GetBoolean());
        Assert.Equal(fit ? 0 : 1, tool.Status);
        Assert.Equal("ok", checks.Single(c => c.GetProperty("name").GetString() == "process-vm").GetProperty("status").GetString());
        Assert.All(checks, c => Assert.NotEqual("", c.GetProperty("enables").GetString()));
        Assert.Equal(checks.Length, checks.Select(c => c.GetProperty("name").GetString()).Distinct().Count());
    }

    [Theory]
    [InlineData("nodes")]
    [InlineData("ps")]
    [InlineData("migrate")]
    [InlineData("why")]
    [InlineData("doctor")]
    [InlineData("init")]
    [InlineData("token")]
    [InlineData("join")]
    [InlineData("watch")]
    public async Task Help_OfEveryCommand_0(string command)
    {
        Tool tool = await Tool.RunAsync(command, "--help");
        Assert.Equal((0, ""), (tool.Status, tool.Errors));
        Assert.Contains("--json", tool.Output, StringComparison.Ordinal);
    }

    private sealed class Jobs : IProcessDirectory, IMover
    {
        private static readonly Refusal s_refusal = new() { Name = "io-uring", Object = "fd 5", Advice = "run it without io_uring" };

        private static readonly ProcessStatus[] s_processes =
        [
            new() { Pid = 10, Command = "evil\e[2J", Home = "pc1", Where = "pc2", State = "away" }, new() { Pid = 11, Command = "b", Home = "pc1", Where = "pc1" },
        ];

        public Task<IReadOnlyList<ProcessStatus>> ListAsync(CancellationToken cancellationToken) => Task.FromResult<IReadOnlyList<ProcessStatus>>(s_processes);

        public ProcessStatus? Find(int homePid) => s_processes.FirstOrDefault(p => p.Pid == homePid);

        public Task<MigrateReply> MigrateAsync(int homePid, string node, CancellationToken cancellationToken) => Task.FromResult(homePid == 10
            ? new MigrateReply { Moved = true, From = "pc2", To = "pc1", Times = new StageTimes { FreezeUs = 300, ShipUs = 9000, StallUs = 12000, Bytes = 3 << 20 } }
            : new MigrateReply { From = "pc1", To = "pc1", Failure = new Failure { Stage = "Snapshot", Refusal = s_refusal } });

        public Task<WhyReply> WhyAsync(int homePid, CancellationToken cancellationToken) =>
            Task.FromResult(homePid == 10 ? new WhyReply { CanMove = true, Where = "pc2" } : new WhyReply { Where = "pc1", Refusal = s_refusal });
    }
}
