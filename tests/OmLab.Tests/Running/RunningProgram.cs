using System.ComponentModel;
using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text;

namespace OpenMosix.Lab.Tests.Running;

/// <summary>A program under test. If it does not end in time it is killed, and what it wrote until then is in the failure.</summary>
internal sealed partial class RunningProgram : IDisposable
{
    // Only ever reached by a program that hangs.
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(90);

    private readonly Process _process;
    private readonly string _command;
    private readonly MemoryStream _output = new();
    private readonly Task _reading;
    private readonly Task<string> _errors;
    private readonly Lock _lock = new();
    private TaskCompletionSource _changed = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private RunningProgram(ProcessStartInfo start)
    {
        _command = $"{Path.GetFileName(start.FileName)} {string.Join(' ', start.ArgumentList)}";
        try
        {
            _process = Process.Start(start)!;
        }
        catch (Win32Exception e)
        {
            throw new InvalidOperationException($"{start.FileName} is not built: make ({e.Message})", e);
        }

        _reading = ReadOutputAsync();
        _errors = _process.StandardError.ReadToEndAsync();
    }

    internal int Pid => _process.Id;

    internal Stream Input => _process.StandardInput.BaseStream;

    internal static RunningProgram Start(string program, IEnumerable<string> arguments, IReadOnlyDictionary<string, string>? environment = null)
    {
        var start = new ProcessStartInfo(program, arguments)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        foreach (var (name, value) in environment ?? new Dictionary<string, string>())
        {
            start.Environment[name] = value;
        }

        return new RunningProgram(start);
    }

    internal void Signal(int signal) => Assert.Equal(0, Kill(_process.Id, signal));

    internal async Task WriteAsync(string text)
    {
        await _process.StandardInput.WriteAsync(text);
        await _process.StandardInput.FlushAsync();
    }

    /// <summary>Returns when it has written this text so many times, at whatever places of its output.</summary>
    internal Task WroteAsync(string text, int times = 1) => WroteAsync($"'{text}'", output => output.Split(text).Length > times);

    /// <summary>Returns when it has written a line with all of these texts.</summary>
    internal Task WroteLineAsync(params string[] texts) => WroteAsync(
        $"a line with '{string.Join("' and '", texts)}'",
        output => output.Split('\n').Any(line => texts.All(text => line.Contains(text, StringComparison.Ordinal))));

    /// <param name="whereItStands">Asked about one that hangs, before it is killed: for the failure's message.</param>
    internal async Task<Outcome> EndAsync(Func<Task<string>>? whereItStands = null)
    {
        _process.StandardInput.Close();
        using var hang = new CancellationTokenSource(Patience);
        try
        {
            await _process.WaitForExitAsync(hang.Token);
            await _reading.WaitAsync(hang.Token);
            return new Outcome(_command, _process.ExitCode, _output.ToArray(), await _errors.WaitAsync(hang.Token));
        }
        catch (OperationCanceledException)
        {
            var stands = whereItStands is null ? "" : await whereItStands();
            _process.Kill(entireProcessTree: true);
            throw new TimeoutException($"{_command} did not end; it wrote: {OutputSoFar()}\n{stands}");
        }
    }

    public void Dispose()
    {
        if (!_process.HasExited)
        {
            _process.Kill(entireProcessTree: true);
        }

        _process.Dispose();
    }

    private async Task WroteAsync(string what, Func<string, bool> isThere)
    {
        using var hang = new CancellationTokenSource(Patience);
        while (true)
        {
            // Taken before looking: what arrives in between completes it.
            var changed = Changed();
            if (isThere(OutputSoFar()))
            {
                return;
            }

            Assert.False(_reading.IsCompleted, $"{_command} ended without writing {what}: {OutputSoFar()}");
            try
            {
                await changed.WaitAsync(hang.Token);
            }
            catch (OperationCanceledException)
            {
                Assert.Fail($"{_command} did not write {what} but: {OutputSoFar()}");
            }
        }
    }

    private Task Changed()
    {
        lock (_lock)
        {
            return _changed.Task;
        }
    }

    private string OutputSoFar()
    {
        lock (_lock)
        {
            return Encoding.UTF8.GetString(_output.GetBuffer(), 0, (int)_output.Length);
        }
    }

    private async Task ReadOutputAsync()
    {
        var buffer = new byte[65536];
        int length;
        do
        {
            length = await _process.StandardOutput.BaseStream.ReadAsync(buffer);
            TaskCompletionSource changed;
            lock (_lock)
            {
                _output.Write(buffer, 0, length);
                changed = _changed;
                _changed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            }

            changed.SetResult();
        }
        while (length > 0);
    }

    [LibraryImport("libc", EntryPoint = "kill")]
    private static partial int Kill(int pid, int signal);
}
