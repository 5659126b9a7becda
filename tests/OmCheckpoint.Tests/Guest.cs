using System.Text;
using OpenMosix.Checkpoint.Interop;
using OpenMosix.Checkpoint.Tracing;

namespace OpenMosix.Checkpoint.Tests;

/// <summary>A test program that runs beside the test, with its standard input and output. Killed at the latest when the test ends.</summary>
internal sealed class Guest : IDisposable
{
    private readonly FileStream _input;
    private readonly StreamReader _output;
    private bool _reaped;

    private Guest(int pid, FileStream input, FileStream output)
    {
        Pid = pid;
        _input = input;
        _output = new StreamReader(output);
    }

    public static string Programs { get; } = FindPrograms();

    public int Pid { get; }

    public static Guest Start(string program, params string[] arguments)
    {
        var path = program.Contains('/', StringComparison.Ordinal) ? program : Path.Combine(Programs, program);
        var (pid, input, output) = Spawn.Start(path, arguments);
        return new Guest(pid, input, output);
    }

    public string? ReadLine() => _output.ReadLine();

    public Task<string?> ReadLineAsync() => Task.Run(_output.ReadLine);

    public Task<string> ReadToEndAsync() => Task.Run(_output.ReadToEnd);

    public void Expect(string line) => Assert.Equal(line, ReadLine());

    public void Send(string text) => _input.Write(Encoding.UTF8.GetBytes(text));

    /// <summary>What it wrote until it ended, and how.</summary>
    public (string Output, WaitStatus Status) End()
    {
        var rest = _output.ReadToEnd();
        return (rest, Reap());
    }

    public void ExpectGoodEnd()
    {
        var (rest, status) = End();
        Assert.EndsWith("ok", rest.Trim(), StringComparison.Ordinal);
        Assert.Equal(new WaitStatus(0), status);
    }

    public WaitStatus Reap()
    {
        Assert.Equal(Pid, Wait.For(Pid, Wait.WALL, out var status));
        _reaped = true;
        return new WaitStatus(status);
    }

    public void Dispose()
    {
        if (!_reaped && Kernel.Kill(Pid, 9) == 0)
        {
            _ = Wait.For(Pid, Wait.WALL, out _);
        }

        _input.Dispose();
        _output.Dispose();
    }

    private static string FindPrograms()
    {
        for (var folder = AppContext.BaseDirectory; folder is not null; folder = Path.GetDirectoryName(folder))
        {
            var programs = Path.Combine(folder, "tests", "checkpoint");
            if (File.Exists(Path.Combine(programs, "blank")))
            {
                return programs;
            }
        }

        throw new InvalidOperationException("the test programs are not built: make checkpoint-tests");
    }
}
