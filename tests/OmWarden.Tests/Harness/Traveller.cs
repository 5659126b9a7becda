using System.Diagnostics;

namespace OpenMosix.Warden.Tests.Harness;

/// <summary>native/traveller.c: answers one line for each line it is told.</summary>
internal sealed class Traveller : IDisposable
{
    private readonly Process process;

    internal Traveller(string logFile)
    {
        var start = new ProcessStartInfo(Repository.Output("tests/traveller")) { RedirectStandardInput = true, RedirectStandardOutput = true };
        start.ArgumentList.Add(logFile);
        process = Process.Start(start)!;
        process.StandardInput.AutoFlush = true;
    }

    internal int Pid => process.Id;

    internal async Task<string?> AnswerAsync() =>
        await process.StandardOutput.ReadLineAsync(TestContext.Current.CancellationToken).AsTask().WaitAsync(TimeSpan.FromSeconds(30));

    internal async Task<string?> TellAsync(string line)
    {
        await process.StandardInput.WriteLineAsync(line);
        return await AnswerAsync();
    }

    internal Task WriteAsync(string line) => process.StandardInput.WriteLineAsync(line);

    internal void Signal(int number)
    {
        using var pidfd = Interop.Processes.OpenPidfd(process.Id);
        Assert.NotNull(pidfd);
        Assert.Equal(0, Interop.Processes.SendSignal(pidfd, number));
    }

    internal async Task<int> EndAsync()
    {
        process.StandardInput.Close();
        await process.WaitForExitAsync(TestContext.Current.CancellationToken).WaitAsync(TimeSpan.FromSeconds(30));
        return process.ExitCode;
    }

    internal async Task<int> EndedAsync()
    {
        await process.WaitForExitAsync(TestContext.Current.CancellationToken).WaitAsync(TimeSpan.FromSeconds(30));
        return process.ExitCode;
    }

    public void Dispose()
    {
        if (!process.HasExited)
            process.Kill();
        process.Dispose();
    }
}
