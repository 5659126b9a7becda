namespace OpenMosix.Lab.Tests.Integration;

/// <summary>At an interactive terminal, under a shell that nobody moves: line editing, Ctrl-C, Ctrl-Z, fg.</summary>
[Collection(ClusterCollection.Name)]
public sealed class TerminalTests(ClusterLab lab)
{
    // Reads lines, survives Ctrl-C, says what size its terminal has.
    private const string Program = """
        import os, signal, sys
        print('program ready')
        while True:
            try:
                line = sys.stdin.readline()
                if not line:
                    break
                print('got <%s> %dx%d' % (line.rstrip(), *os.get_terminal_size()))
            except KeyboardInterrupt:
                print('interrupted')
        print('end of file')
        """;

    [Fact]
    public async Task Session_MovedBetweenKeys_BehavesAsAtHome()
    {
        lab.Need();
        using var job = Job.Start(lab, """export -f moved; export PIDS; exec bash --norc --noediting -i""", tty: true);
        await File.WriteAllTextAsync(Path.Combine(job.Folder, "program.py"), Program, TestContext.Current.CancellationToken);
        await TypeAsync("PS1='at-your-service-\\# '\n", "at-your-service-2");
        await TypeAsync("(moved python3 -u program.py)\n", "program ready");
        var mover = new Mover(lab, await job.NextPidAsync(), 5);

        await mover.MoveAsync(1);
        await TypeAsync("wrongx\u007f\u0015right\n", "got <right> 80x24");
        await mover.MoveAsync(1);
        await TypeAsync("\u0003", "interrupted");
        await TypeAsync("after it\n", "got <after it>");
        await mover.MoveAsync(1);
        await TypeAsync("\u001a", "Stopped");
        await TypeAsync("echo in the sh''ell\n", "in the shell");
        await TypeAsync("fg\n", "moved python3");
        await TypeAsync("resumed\n", "got <resumed>");
        await mover.MoveAsync(2);
        await TypeAsync("last\n", "got <last>");
        await TypeAsync("\u0004", "end of file");
        await TypeAsync("exit 6\n", "exit");
        var result = await job.EndAsync(mover);
        Assert.True(result.Outcome.Status == 6, $"{result.Outcome}\n{mover.History}");
        Assert.True(mover.Moves == 5, mover.History);

        async Task TypeAsync(string keys, string answer)
        {
            await job.Program.WriteAsync(keys);
            await job.Program.WroteAsync(answer);
        }
    }

    [Fact]
    public async Task ControlC_DefaultAction_EndsTheProgramThatIsAway()
    {
        lab.Need();
        using var job = Job.Start(lab, """export -f moved; export PIDS; exec bash --norc --noediting -i""", tty: true);
        await job.Program.WriteAsync("PS1='at-your-service-\\# '\n");
        await job.Program.WroteAsync("at-your-service-2");
        await job.Program.WriteAsync("(moved sleep 1000)\n");
        var mover = new Mover(lab, await job.NextPidAsync(), 6);
        Assert.True(await mover.ToAsync("pc2"), mover.History);
        await job.Program.WriteAsync("\u0003");
        await job.Program.WroteAsync("at-your-service-3");
        await job.Program.WriteAsync("echo status $?; exit 0\n");
        Assert.Contains("status 130", (await job.EndAsync(mover)).Outcome.Output, StringComparison.Ordinal);
    }
}
