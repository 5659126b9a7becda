namespace OpenMosix.Lab.Tests.Lab;

public sealed class NetworkTests(BareLab lab) : IClassFixture<BareLab>
{
    // bash's /dev/tcp: nothing to be installed. A frame that vanishes is only ever known by waiting.
    private static string[] Connect(string node) => ["timeout", "2", "bash", "-c", $"exec 3<>/dev/tcp/{node}/5000 && read -u 3 line && echo $line"];

    [Fact]
    public async Task Network_OnlyLoopbackAndEth0_NothingOfTheHost()
    {
        lab.Need();
        Assert.Equal("eth0\nlo", await lab.AskAsync("pc1", "ls", "/sys/class/net"));
        Assert.DoesNotContain(Directory.GetDirectories("/sys/class/net"), each => Path.GetFileName(each) is "pc1" or "bridge");
    }

    [Fact]
    public async Task Cut_BetweenTwo_OnlyTheyLoseEachOtherAndHealBringsItBack()
    {
        lab.Need();
        using var server = lab.StartIn("pc2", "python3", "-c", """
            import socket
            server = socket.create_server(('', 5000))
            print('listening', flush=True)
            while True:
                connection, _ = server.accept()
                connection.sendall(b'hello\n')
                connection.close()
            """);
        await server.WroteAsync("listening");
        Assert.Equal("hello", await lab.AskAsync("pc1", Connect("pc2")));
        (await lab.OmlabAsync("cut", "pc1", "pc2")).Succeeded();
        Assert.Equal(124, (await lab.ExecAsync("pc1", Connect("pc2"))).Status);
        Assert.Equal("hello", await lab.AskAsync("pc3", Connect("pc2")));
        var cuts = (await lab.StatusAsync()).GetProperty("cuts");
        Assert.Equal("pc1", cuts[0][0].GetString());
        (await lab.OmlabAsync("heal", "pc2", "pc1")).Succeeded();
        Assert.Equal("hello", await lab.AskAsync("pc1", Connect("pc2")));
        server.Signal(15);
        await server.EndAsync();
    }

    [Fact]
    public async Task Rate_Set_IsShapedBothWaysAndLifted()
    {
        lab.Need();
        (await lab.OmlabAsync("rate", "pc3", "10mbit")).Succeeded();
        Assert.Contains("tbf", await lab.AskAsync("pc3", "tc", "qdisc", "show", "dev", "eth0"), StringComparison.Ordinal);
        Assert.Equal("10mbit", (await lab.StatusAsync("pc3")).GetProperty("rate").GetString());
        (await lab.OmlabAsync("rate", "pc3", "none")).Succeeded();
        Assert.DoesNotContain("tbf", await lab.AskAsync("pc3", "tc", "qdisc", "show", "dev", "eth0"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Rate_Nonsense_IsRefusedWithExamples()
    {
        lab.Need();
        var outcome = await lab.OmlabAsync("rate", "pc3", "fast");
        Assert.Equal(1, outcome.Status);
        Assert.Contains("1gbit", outcome.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Network_Multicast_ReachesTheOthers()
    {
        lab.Need();
        using var listener = lab.StartIn("pc2", "python3", "-c", """
            import socket, struct
            s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            s.bind(('', 5001))
            s.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, struct.pack('4sL', socket.inet_aton('239.77.7.7'), socket.INADDR_ANY))
            print('joined', flush=True)
            print(s.recv(100).decode(), flush=True)
            """);
        await listener.WroteAsync("joined");
        await lab.AskAsync("pc1", "bash", "-c", "echo -n multicast > /dev/udp/239.77.7.7/5001");
        await listener.WroteAsync("multicast");
        (await listener.EndAsync()).Succeeded();
    }
}
