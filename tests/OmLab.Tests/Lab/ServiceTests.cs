using System.Text.Json;
using OpenMosix.Lab.Tests.Running;

namespace OpenMosix.Lab.Tests.Lab;

/// <summary>The init of a node, with stand-ins for the daemons: order, readiness, restarts, the fd store.</summary>
public sealed class ServiceTests(ServiceTests.Machine lab) : IClassFixture<ServiceTests.Machine>
{
    public sealed class Machine() : TestLab("service", Repository.Stub, "2");

    [Fact]
    public async Task Up_Services_AreReadyAndTheWardenWasFirst()
    {
        lab.Need();
        foreach (var name in (string[])["omwarden", "openmosixd"])
        {
            var service = await ServiceAsync("pc2", name);
            Assert.Equal("ready", service.GetProperty("state").GetString());
            Assert.Equal("serving", service.GetProperty("status").GetString());
        }

        var warden = (await ServiceAsync("pc2", "omwarden")).GetProperty("pid").GetInt32();
        Assert.True(warden < (await ServiceAsync("pc2", "openmosixd")).GetProperty("pid").GetInt32());
    }

    [Theory]
    [InlineData("warden", "omwarden")]
    [InlineData("daemon", "openmosixd")]
    public async Task Restart_Service_GetsItsStoredFdsBack(string service, string log)
    {
        lab.Need();
        var before = await StartsAsync("pc1", log);
        (await lab.OmlabAsync("restart", "pc1", service)).Succeeded();
        (await lab.OmlabAsync("restart", "pc1", service, "--kill")).Succeeded();
        Assert.Equal(before + 2, await StartsAsync("pc1", log));
        var lines = (await lab.OmlabAsync("logs", "pc1", "--service", service)).Succeeded().Output;
        Assert.Contains("passed counter", lines, StringComparison.Ordinal);
        Assert.Contains("told to stop", lines, StringComparison.Ordinal);
        Assert.Contains("was killed by SIGKILL", lines, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Stop_Service_ForgetsItsFdsAndStartBeginsAnew()
    {
        lab.Need();
        (await lab.OmlabAsync("stop", "pc2", "daemon")).Succeeded();
        Assert.Equal("dead", (await ServiceAsync("pc2", "openmosixd")).GetProperty("state").GetString());
        Assert.Equal("ready", (await ServiceAsync("pc2", "omwarden")).GetProperty("state").GetString());
        (await lab.OmlabAsync("start", "pc2", "daemon")).Succeeded();
        Assert.Equal(1, await StartsAsync("pc2", "openmosixd"));
    }

    [Fact]
    public async Task Service_Crashes_IsStartedAgain()
    {
        lab.Need();
        var pid = (await ServiceAsync("pc1", "openmosixd")).GetProperty("pid").GetInt32();
        using var follow = lab.Start("logs", "pc1", "--follow", "--service", "daemon");
        await follow.WroteAsync("is ready");
        await lab.AskAsync("pc1", "kill", "-SEGV", $"{pid}");
        await follow.WroteAsync($"(pid {pid}) was killed by SIGSEGV");
        // Waits until it is ready, as everything that asks for a ready service does.
        (await lab.OmlabAsync("start", "pc1", "daemon")).Succeeded();
        Assert.NotEqual(pid, (await ServiceAsync("pc1", "openmosixd")).GetProperty("pid").GetInt32());
        follow.Signal(2);
        (await follow.EndAsync()).Succeeded();
    }

    [Fact]
    public async Task Exec_Omctl_IsFoundOnPath()
    {
        lab.Need();
        Assert.Equal("hello", await lab.AskAsync("pc1", "omctl", "hello"));
    }

    private async Task<JsonElement> ServiceAsync(string node, string name) =>
        (await lab.StatusAsync(node)).GetProperty("services").EnumerateArray().Single(each => each.GetProperty("name").GetString() == name);

    private async Task<int> StartsAsync(string node, string log)
    {
        var service = log == "omwarden" ? "warden" : "daemon";
        var lines = (await lab.OmlabAsync("logs", node, "--service", service)).Succeeded().Output.Split('\n');
        return int.Parse(lines.Last(line => line.Contains(": start ", StringComparison.Ordinal)).Split(' ')[^1]);
    }
}
