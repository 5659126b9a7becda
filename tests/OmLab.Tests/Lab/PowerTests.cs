namespace OpenMosix.Lab.Tests.Lab;

/// <summary>A lab of their own: they switch nodes off.</summary>
public sealed class PowerTests(PowerTests.Machine lab) : IClassFixture<PowerTests.Machine>
{
    public sealed class Machine() : Running.TestLab("power", null, "2", "--bare");

    [Fact]
    public async Task Kill_RunningNode_EverythingInItDiesAndStartKeepsEtcAndVar()
    {
        lab.Need();
        await lab.AskAsync("pc2", "sh", "-c", "echo kept | tee /etc/openmosix/a /var/lib/openmosix/b > /run/c");
        using var victim = lab.StartIn("pc2", "sh", "-c", "echo ready; exec sleep 1000");
        await victim.WroteAsync("ready");

        (await lab.OmlabAsync("kill", "pc2")).Succeeded();
        Assert.Equal(137, (await victim.EndAsync()).Status);
        Assert.False((await lab.StatusAsync("pc2")).GetProperty("running").GetBoolean());
        Assert.True((await lab.StatusAsync("pc1")).GetProperty("running").GetBoolean());
        var refused = await lab.ExecAsync("pc2", "true");
        Assert.Equal(125, refused.Status);
        Assert.Contains("does not run", refused.Errors, StringComparison.Ordinal);
        Assert.Equal(1, (await lab.OmlabAsync("kill", "pc2")).Status);

        (await lab.OmlabAsync("start", "pc2")).Succeeded();
        Assert.Equal("kept\nkept", await lab.AskAsync("pc2", "cat", "/etc/openmosix/a", "/var/lib/openmosix/b"));
        Assert.Equal(1, (await lab.ExecAsync("pc2", "cat", "/run/c")).Status);
        Assert.Equal("2", await lab.AskAsync("pc2", "sh", "-c", "ls /sys/class/net | wc -l"));
        Assert.Equal(1, (await lab.OmlabAsync("start", "pc2")).Status);
    }

    [Fact]
    public async Task Kill_WithOpenConnection_PeerIsNotTold()
    {
        lab.Need();
        const string Server = """
            import socket
            server = socket.create_server(('', 5002))
            print('listening', flush=True)
            connection, _ = server.accept()
            connection.settimeout(1)
            print('connected', flush=True)
            try:
                print('told', connection.recv(1), flush=True)
            except TimeoutError:
                print('silence', flush=True)
            """;
        using var server = lab.StartIn("pc1", "python3", "-c", Server);
        await server.WroteAsync("listening");
        using var client = lab.StartIn("pc2", "bash", "-c", "exec 3<>/dev/tcp/pc1/5002; sleep 1000");
        await server.WroteAsync("connected");
        (await lab.OmlabAsync("kill", "pc2")).Succeeded();
        Assert.Contains("silence", (await server.EndAsync()).Output, StringComparison.Ordinal);
        await client.EndAsync();
        (await lab.OmlabAsync("start", "pc2")).Succeeded();
    }
}
