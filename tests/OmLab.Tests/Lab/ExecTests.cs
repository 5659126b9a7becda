using System.Security.Cryptography;
using OpenMosix.Lab.Tests.Running;

namespace OpenMosix.Lab.Tests.Lab;

public sealed class ExecTests(BareLab lab) : IClassFixture<BareLab>
{
    private const int SigInt = 2, SigKill = 9, SigUsr1 = 10, SigTerm = 15;

    [Theory]
    [InlineData("exit 0", 0)]
    [InlineData("exit 42", 42)]
    [InlineData("kill -9 $$", 128 + SigKill)]
    [InlineData("kill -SEGV $$", 128 + 11)]
    public async Task Exec_CommandEnds_StatusIsItsOwn(string script, int status)
    {
        lab.Need();
        Assert.Equal(status, (await lab.ExecAsync("pc1", "sh", "-c", script)).Status);
    }

    [Fact]
    public async Task Exec_NoSuchCommand_Is127AndNamesIt()
    {
        lab.Need();
        var outcome = await lab.ExecAsync("pc1", "no-such-command");
        Assert.Equal(127, outcome.Status);
        Assert.Contains("no-such-command", outcome.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Exec_Ended_LeavesNoFileOfTheRuntime()
    {
        lab.Need();
        using var program = lab.StartIn("pc1", "true");
        var pid = program.Pid;
        (await program.EndAsync()).Succeeded();
        Assert.Empty(Directory.EnumerateFileSystemEntries(Path.GetTempPath(), $"*-{pid}-*"));
    }

    [Fact]
    public async Task Exec_BinaryStdin_ArrivesUnchangedAndStreamsStayApart()
    {
        lab.Need();
        var bytes = RandomNumberGenerator.GetBytes(1 << 20);
        using var program = lab.StartIn("pc1", "sh", "-c", "echo aside >&2; cat");
        await program.Input.WriteAsync(bytes, TestContext.Current.CancellationToken);
        var outcome = (await program.EndAsync()).Succeeded();
        Assert.Equal(bytes, outcome.OutputBytes);
        Assert.Equal("aside\n", outcome.Errors);
    }

    [Theory]
    [InlineData("TERM", SigTerm)]
    [InlineData("INT", SigInt)]
    [InlineData("USR1", SigUsr1)]
    public async Task Exec_Signalled_CommandGetsTheSignal(string name, int signal)
    {
        lab.Need();
        using var program = lab.StartIn("pc1", "sh", "-c", $"trap 'echo got; exit 7' {name}; echo ready; while :; do sleep 0.05; done");
        await program.WroteAsync("ready");
        program.Signal(signal);
        var outcome = await program.EndAsync();
        Assert.Equal(7, outcome.Status);
        Assert.Contains("got", outcome.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Exec_Signalled_CommandWithoutHandlerDiesOfIt()
    {
        lab.Need();
        using var program = lab.StartIn("pc1", "sh", "-c", "echo ready; exec sleep 1000");
        await program.WroteAsync("ready");
        program.Signal(SigTerm);
        Assert.Equal(128 + SigTerm, (await program.EndAsync()).Status);
    }

    [Fact]
    public async Task Exec_Arguments_ArePassedAsTheyAre()
    {
        lab.Need();
        string[] odd = ["", " ", "@file", "--name", "-x", "a'b\"c", "--", "*"];
        Assert.Equal(string.Concat(odd.Select(each => $"<{each}>\n")).TrimEnd('\n'), await lab.AskAsync("pc1", ["printf", "<%s>\\n", .. odd]));
    }

    [Fact]
    public async Task Exec_Tty_CommandHasATerminalWithLineEditing()
    {
        lab.Need();
        using var program = lab.Start("exec", "--tty", "pc1", "--", "sh", "-c", "tty; stty size; read line; echo \"<$line>\"");
        await program.WroteAsync("24 80");
        await program.WriteAsync("wrongx\u007f\u0015right\n");
        var outcome = (await program.EndAsync()).Succeeded();
        Assert.Contains("/dev/pts/", outcome.Output, StringComparison.Ordinal);
        Assert.Contains("<right>", outcome.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Exec_Tty_ControlCInterruptsTheForegroundOnly()
    {
        lab.Need();
        using var program = lab.Start("exec", "--tty", "pc1", "--", "bash", "--norc", "-i");
        await program.WriteAsync("PS1='at-your-service-\\# '\n");
        await program.WroteAsync("at-your-service-2");
        await program.WriteAsync("sh -c 'echo be\"\"gin; exec sleep 1000'\n");
        await program.WroteAsync("begin");
        await program.WriteAsync("\u0003");
        await program.WroteAsync("at-your-service-3"); // what is typed before the prompt, an interrupt throws away
        await program.WriteAsync("echo status $?; exit 5\n");
        var outcome = await program.EndAsync();
        Assert.True(outcome.Status == 5, outcome.ToString());
        Assert.Contains("status 130", outcome.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Exec_TtyStdinEnds_CommandReadsEndOfFile()
    {
        lab.Need();
        using var program = lab.Start("exec", "--tty", "pc1", "--", "cat");
        await program.WriteAsync("last line\n");
        Assert.Contains("last line", (await program.EndAsync()).Succeeded().Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Exec_User_IsThatUser()
    {
        lab.Need();
        Assert.Equal("65534", await AskAs("nobody"));
        Assert.Equal("12345", await AskAs("12345"));
        var outcome = await lab.OmlabAsync("exec", "--user", "no-such-user", "pc1", "--", "id");
        Assert.Equal(1, outcome.Status);
        Assert.Contains("no-such-user", outcome.Errors, StringComparison.Ordinal);

        async Task<string> AskAs(string user) => (await lab.OmlabAsync("exec", "--user", user, "pc1", "--", "id", "-u")).Succeeded().Output.Trim();
    }

    [Fact]
    public async Task Exec_UnknownNode_SaysWhichThereAre()
    {
        lab.Need();
        var outcome = await lab.ExecAsync("pc9", "true");
        Assert.Equal(1, outcome.Status);
        Assert.Contains("pc1, pc2, pc3", outcome.Errors, StringComparison.Ordinal);
    }
}
