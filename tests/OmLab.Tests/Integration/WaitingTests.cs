namespace OpenMosix.Lab.Tests.Integration;

/// <summary>Programs that do nothing but wait, moved while they do.</summary>
[Collection(ClusterCollection.Name)]
public sealed class WaitingTests(ClusterLab lab)
{
    [Fact]
    public async Task Sleep_MovedMeanwhile_EndsNotBeforeItsTime()
    {
        lab.Need();
        using var job = Job.Start(lab, """
            begin=$(cut -d' ' -f1 /proc/uptime)
            (moved sleep 8)
            echo "status $?, early: $(echo "$(cut -d' ' -f1 /proc/uptime) - $begin < 8" | bc)"
            """);
        var mover = new Mover(lab, await job.NextPidAsync(), 1);
        await mover.MoveAsync(8, 100);
        var result = await job.EndAsync(mover);
        Assert.True(result.Outcome.Output == "status 0, early: 0\n" && mover.Moves > 0, $"{result.Outcome}\n{mover.History}");
    }

    [Fact]
    public async Task SocketReader_MovedMeanwhile_GetsWhatComes()
    {
        lab.Need();
        // A server that nobody moves: says a line for each line of its own stdin.
        using var server = lab.StartIn("pc1", "python3", "-u", "-c", """
            import socket, sys
            server = socket.create_server(('127.0.0.1', 5010))
            print('listening')
            connection, _ = server.accept()
            print('connected')
            for line in sys.stdin:
                connection.sendall(line.encode())
                print('answer ' + connection.recv(100).decode())
            connection.close()
            """);
        await server.WroteAsync("listening");
        using var job = Job.Start(lab, """
            moved python3 -u -c "
            import socket
            connection = socket.create_connection(('127.0.0.1', 5010))
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while line := connection.recv(100):
                print(line.decode(), end='')
                connection.sendall(line.upper())
            print('closed', connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0)
            "
            """);
        var pid = await job.NextPidAsync();
        await server.WroteAsync("connected");
        var mover = new Mover(lab, pid, 2);
        for (var i = 0; i < 10; i++)
        {
            await mover.MoveAsync(2, 30);
            await server.WriteAsync($"line {i}\n");
            await server.WroteAsync($"answer LINE {i}");
        }

        (await server.EndAsync()).Succeeded();
        var result = await job.EndAsync(mover);
        Assert.True(result.Outcome.Output == string.Concat(Enumerable.Range(0, 10).Select(i => $"line {i}\n")) + "closed True\n", $"{result.Outcome}\n{mover.History}");
        Assert.True(mover.Moves == 20, mover.History);
    }

    [Fact]
    public async Task Signalled_Away_DiesOfItAndTheParentSeesIt()
    {
        lab.Need();
        foreach (var (signal, status) in ((string, int)[])[("TERM", 143), ("KILL", 137), ("INT", 130)])
        {
            using var job = Job.Start(lab, """
                (moved sleep 1000) &
                trap 'kill -$signal $child' USR1
                child=$!; echo started; read signal; kill -$signal $child; wait $child; echo "status $?"
                """);
            var mover = new Mover(lab, await job.NextPidAsync(), 3);
            Assert.True(await mover.ToAsync("pc2"), mover.History);
            await job.Program.WriteAsync(signal + "\n");
            var result = await job.EndAsync(mover);
            Assert.True(result.Outcome.Output == $"started\nstatus {status}\n", $"{signal}: {result.Outcome}\n{mover.History}");
        }
    }

    [Fact]
    public async Task StoppedAndContinued_Away_StandsStillMeanwhile()
    {
        lab.Need();
        using var job = Job.Start(lab, """moved python3 -u -c "import sys; [print(line, end='') for line in sys.stdin]" """);
        var pid = await job.NextPidAsync();
        var mover = new Mover(lab, pid, 4);
        await job.Program.WriteAsync("one\n");
        await job.Program.WroteAsync("one");
        Assert.True(await mover.ToAsync("pc3"), mover.History);
        await lab.AskAsync("pc1", "kill", "-STOP", $"{pid}");
        await job.Program.WriteAsync("two\n");
        Assert.Equal("T", await lab.AskAsync("pc1", "sh", "-c", $"while [ $(cut -d' ' -f3 /proc/{pid}/stat) != T ]; do :; done; echo T"));
        await lab.AskAsync("pc1", "kill", "-CONT", $"{pid}");
        await job.Program.WroteAsync("two");
        Assert.Equal("one\ntwo\n", (await job.EndAsync(mover)).Outcome.Succeeded().Output);
    }

    /// <summary>Stopped wherever its threads are just then: some call what is conducted.</summary>
    [Theory]
    [InlineData("thread_life")]
    [InlineData("thread_signals")]
    public async Task StoppedAndContinued_WithThreads_GoesOn(string name)
    {
        const int Stops = 6;
        lab.Need();
        using var job = Job.Start(lab, $"moved $WORKLOADS/{name} eof");
        var pid = await job.NextPidAsync();
        var mover = new Mover(lab, pid, 5);
        Assert.True(await mover.ToAsync("pc2"), mover.History);
        await lab.AskAsync("pc1", "sh", "-c", $"for i in $(seq {Stops}); do sleep 0.1; kill -STOP {pid}; sleep 0.1; kill -CONT {pid}; done");
        Assert.Equal($"ok {name}\n", (await job.EndAsync(mover)).Outcome.Succeeded().Output);
    }
}
