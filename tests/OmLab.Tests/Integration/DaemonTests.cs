namespace OpenMosix.Lab.Tests.Integration;

/// <summary>Daemons may die: no job notices. A restarted one finds its jobs; a replaced warden loses none.</summary>
[Collection(ClusterCollection.Name)]
public sealed class DaemonTests(ClusterLab lab)
{
    private const string Echo = """moved python3 -u -c "import sys; [print('echo ' + line, end='') for line in sys.stdin]" """;

    [Theory]
    [InlineData("pc1", "daemon")]
    [InlineData("pc2", "daemon")]
    [InlineData("pc1", "warden")]
    [InlineData("pc2", "warden")]
    public async Task Service_KilledWhileAProcessIsAway_ProcessGoesOnAndIsFoundAgain(string node, string service)
    {
        lab.Need();
        await lab.SeeEachOtherAsync();
        using var job = Job.Start(lab, Echo);
        var mover = new Mover(lab, await job.NextPidAsync(), 8);
        await SayAsync(job, "at home");
        Assert.True(await mover.ToAsync("pc2"), mover.History);
        await SayAsync(job, "away");
        (await lab.OmlabAsync("restart", node, service, "--kill")).Succeeded();
        await SayAsync(job, "after the kill");
        (await lab.OmlabAsync("restart", node, service)).Succeeded();
        await SayAsync(job, "after the restart");

        var state = await mover.StateAsync();
        Assert.Equal("pc2", state?.GetProperty("where").GetString());
        // At least the read and the write of each line since it is away.
        Assert.InRange(state!.Value.GetProperty("forwarded_calls").GetInt64(), 6, 1000);
        Assert.True(await mover.ToAsync("pc3") && await mover.ToAsync("pc1"), mover.History);
        await SayAsync(job, "home again");
        (await job.EndAsync()).Outcome.Succeeded();
    }

    [Fact]
    public async Task Daemon_Stopped_ProcessGoesOnWithoutIt()
    {
        lab.Need();
        using var job = Job.Start(lab, Echo);
        var mover = new Mover(lab, await job.NextPidAsync(), 9);
        Assert.True(await mover.ToAsync("pc2"), mover.History);
        (await lab.OmlabAsync("stop", "pc1", "daemon")).Succeeded();
        (await lab.OmlabAsync("stop", "pc2", "daemon")).Succeeded();
        try
        {
            await SayAsync(job, "nobody decides");
            Assert.Equal("fine", await lab.AskAsync("pc1", "omrun", "--", "echo", "fine"));
        }
        finally
        {
            (await lab.OmlabAsync("start", "pc1", "daemon")).Succeeded();
            (await lab.OmlabAsync("start", "pc2", "daemon")).Succeeded();
            await lab.SeeEachOtherAsync();
        }

        Assert.Equal("pc2", (await mover.StateAsync())?.GetProperty("where").GetString());
        (await job.EndAsync()).Outcome.Succeeded();
    }

    [Fact]
    public async Task HostingDaemon_StoppedWhenTheBodyMustGoHome_BringsItWhenItIsBack()
    {
        lab.Need();
        const string Shares = "moved python3 -u -c \"import mmap, sys; file = open('shared', 'w+b'); file.truncate(4096); [print('mapped', len(mmap.mmap(file.fileno(), 4096))) for line in sys.stdin]\"";
        using var job = Job.Start(lab, Shares);
        var mover = new Mover(lab, await job.NextPidAsync(), 17);
        Assert.True(await mover.ToAsync("pc2"), mover.History);
        (await lab.OmlabAsync("stop", "pc2", "daemon")).Succeeded();
        await job.Program.WriteAsync("go\n");
        (await lab.OmlabAsync("start", "pc2", "daemon")).Succeeded();
        await lab.SeeEachOtherAsync();
        await job.Program.WroteAsync("mapped 4096");
        Assert.Equal("pc1", (await mover.StateAsync())?.GetProperty("where").GetString());
        (await job.EndAsync()).Outcome.Succeeded();
    }

    [Fact]
    public async Task Link_CutWhileAProcessIsAway_CallsWaitUntilItIsHealed()
    {
        lab.Need();
        using var job = Job.Start(lab, Echo);
        var mover = new Mover(lab, await job.NextPidAsync(), 14);
        Assert.True(await mover.ToAsync("pc2"), mover.History);
        await SayAsync(job, "before");
        (await lab.OmlabAsync("cut", "pc1", "pc2")).Succeeded();
        await job.Program.WriteAsync("meanwhile\n");
        (await lab.OmlabAsync("heal", "pc1", "pc2")).Succeeded();
        await job.Program.WroteAsync("echo meanwhile");
        await lab.SeeEachOtherAsync();
        Assert.True(await mover.ToAsync("pc1"), mover.History);
        await SayAsync(job, "home");
        (await job.EndAsync()).Outcome.Succeeded();
    }

    [Fact]
    public async Task Peer_WithoutCertificate_GetsNothingAndTheLogSaysSo()
    {
        lab.Need();
        const string Client = """
            import socket, ssl
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            for port in (7946, 7947):
                try:
                    with context.wrap_socket(socket.create_connection(('pc1', port), 5)) as connection:
                        connection.sendall(b'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n' + bytes(9))
                        print(port, 'answered' if b'openmosix' in connection.recv(4096) else 'nothing')
                except (ssl.SSLError, OSError):
                    print(port, 'nothing')
            """;
        Assert.Equal("7946 nothing\n7947 nothing", await lab.AskAsync("pc3", "python3", "-c", Client));
        var log = (await lab.OmlabAsync("logs", "pc1")).Succeeded().Output;
        Assert.Contains("certificate", log, StringComparison.OrdinalIgnoreCase);
    }

    private static async Task SayAsync(Job job, string text)
    {
        await job.Program.WriteAsync(text + "\n");
        await job.Program.WroteAsync($"echo {text}");
    }
}
