using OpenMosix.Lab.Tests.Running;

namespace OpenMosix.Lab.Tests.Lab;

/// <summary>Nothing is left: no process, cgroup, mount, link or file, whatever happened before.</summary>
public sealed class DownTests
{
    private const int SigInt = 2, SigKill = 9;

    private sealed class Machine(string name, string? bin) : TestLab(name, bin);

    [Fact]
    public async Task Down_AfterAFullLife_LeavesNothing()
    {
        var lab = Need("life", Repository.Stub);
        var before = Traces.Take(lab.Name);
        (await lab.OmlabAsync("up", "3", "--memory", "64M,128M,128M")).Succeeded();
        using var running = lab.StartIn("pc3", "sh", "-c", "(setsid sleep 1000 &) ; echo ready; exec sleep 1000");
        await running.WroteAsync("ready");
        (await lab.OmlabAsync("cut", "pc1", "pc2")).Succeeded();
        (await lab.OmlabAsync("rate", "pc1", "1gbit")).Succeeded();
        (await lab.OmlabAsync("kill", "pc2")).Succeeded();
        Assert.NotEqual(before, Traces.Take(lab.Name));
        (await lab.OmlabAsync("down")).Succeeded();
        Assert.Equal(before, Traces.Take(lab.Name));
        Assert.Equal(137, (await running.EndAsync()).Status);
    }

    [Theory]
    [InlineData(SigKill)]
    [InlineData(SigInt)]
    public async Task Down_AfterAnUpThatWasStopped_LeavesNothing(int signal)
    {
        using var bin = new UnreadyDaemon();
        var lab = Need($"stopped{signal}", bin.Directory);
        var before = Traces.Take(lab.Name);
        using var waiting = lab.Start("up", "2");
        await bin.StartedAsync();
        waiting.Signal(signal);
        await waiting.EndAsync();
        if (signal == SigInt)
        {
            Assert.Equal(before, Traces.Take(lab.Name));
        }

        await lab.OmlabAsync("down");
        Assert.Equal(before, Traces.Take(lab.Name));
    }

    [Fact]
    public async Task Down_AfterItsDirectoryWasRemoved_LeavesNothing()
    {
        var lab = Need("bereft", null);
        var before = Traces.Take(lab.Name);
        (await lab.OmlabAsync("up", "1", "--bare")).Succeeded();
        Directory.Delete(Path.Combine("/run/omlab", lab.Name), recursive: true);
        (await lab.OmlabAsync("down")).Succeeded();
        Assert.Equal(before, Traces.Take(lab.Name));
    }

    [Fact]
    public async Task Up_DaemonFails_SaysWhyAndLeavesNothing()
    {
        var empty = Directory.CreateTempSubdirectory("lab-bin-");
        try
        {
            var lab = Need("failing", empty.FullName);
            var before = Traces.Take(lab.Name);
            var outcome = await lab.OmlabAsync("up", "2");
            Assert.Equal(1, outcome.Status);
            Assert.Contains($"cannot execute {empty.FullName}/omwarden", outcome.Errors, StringComparison.Ordinal);
            Assert.Equal(before, Traces.Take(lab.Name));
        }
        finally
        {
            empty.Delete(recursive: true);
        }
    }

    [Fact]
    public async Task Up_NameInUse_IsRefusedAndTheLabStays()
    {
        var lab = Need("twice", null);
        (await lab.OmlabAsync("up", "1", "--bare")).Succeeded();
        try
        {
            var again = await lab.OmlabAsync("up", "1", "--bare");
            Assert.Equal(1, again.Status);
            Assert.Contains("is up already", again.Errors, StringComparison.Ordinal);
            Assert.Equal("pc1", await lab.AskAsync("pc1", "hostname"));
        }
        finally
        {
            await lab.OmlabAsync("down");
        }
    }

    [Fact]
    public async Task Up_TwoLabs_KnowNothingOfEachOther()
    {
        var (one, two) = (Need("one", null), Need("two", null));
        var before = Traces.Take(one.Name);
        (await one.OmlabAsync("up", "1", "--bare")).Succeeded();
        (await two.OmlabAsync("up", "1", "--bare")).Succeeded();
        await one.AskAsync("pc1", "touch", "/run/mine");
        Assert.Equal(1, (await two.ExecAsync("pc1", "test", "-e", "/run/mine")).Status);
        Assert.NotEqual(await one.AskAsync("pc1", "hostname", "-I"), await two.AskAsync("pc1", "hostname", "-I"));
        (await one.OmlabAsync("down")).Succeeded();
        Assert.Equal("pc1", await two.AskAsync("pc1", "hostname"));
        (await two.OmlabAsync("down")).Succeeded();
        Assert.Equal(before, Traces.Take(one.Name));
    }

    [Theory]
    [InlineData("status")]
    [InlineData("down")]
    [InlineData("kill", "pc1")]
    [InlineData("logs", "pc1")]
    public async Task Command_NoSuchLab_SaysSo(params string[] command)
    {
        var lab = Need("nowhere", null);
        var outcome = await lab.OmlabAsync(command);
        Assert.Equal(1, outcome.Status);
        Assert.Contains($"no lab '{lab.Name}' is up", outcome.Errors, StringComparison.Ordinal);
    }

    private static Machine Need(string name, string? bin)
    {
        Assert.SkipWhen(Privileges.Missing is not null, Privileges.Missing ?? "");
        return new Machine(name, bin);
    }
}
