// A daemon's jobs without the rest of it: registry and omrun's socket in a run directory of their own.
using System.Diagnostics;
using Microsoft.Extensions.Logging.Abstractions;
using OpenMosix.Daemon.Hosting;
using OpenMosix.Daemon.Interop;
using OpenMosix.Daemon.Jobs;
using OpenMosix.Daemon.Tests.Fakes;

namespace OpenMosix.Daemon.Tests.Jobs;

public sealed class JobsFixture : IAsyncDisposable
{
    private readonly List<Process> _processes = [];
    private RunListener? _listener;

    public JobsFixture()
    {
        RunDirectory = Directory.CreateTempSubdirectory("omjobs").FullName;
        Options = new DaemonOptions { RunDirectory = RunDirectory, Node = "here" };
        Registry = Open();
    }

    public string RunDirectory { get; }
    internal DaemonOptions Options { get; }
    internal JobRegistry Registry { get; private set; }
    internal RecordingFeed Feed { get; } = new();

    public static string Omrun { get; } = Path.Combine(Root(), "out/bin/omrun");

    internal async Task ListenAsync()
    {
        _listener = new RunListener(Options, Registry, Feed, TimeProvider.System, NullLogger<RunListener>.Instance);
        await _listener.StartAsync(TestContext.Current.CancellationToken);
    }

    /// <summary>The daemon dies and another one starts.</summary>
    internal void Restart()
    {
        Registry.Dispose();
        Registry = Open();
    }

    internal Process Start(string file, params string[] arguments)
    {
        var start = new ProcessStartInfo(file, arguments) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true };
        start.Environment["OPENMOSIX_RUN"] = RunDirectory;
        Process process = Process.Start(start)!;
        _processes.Add(process);
        return process;
    }

    internal JobProcess Register(Process process, bool stay = false) =>
        Registry.Register(process.Id, Pidfd.Open(process.Id)!, 0, "command", stay)!;

    /// <summary>Output, error and exit status of a command that ends by itself.</summary>
    internal async Task<(string Output, string Error, int Status)> RunAsync(string file, params string[] arguments)
    {
        Process process = Start(file, arguments);
        process.StandardInput.Close();
        Task<string> output = process.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
        Task<string> error = process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);
        return (await output, await error, process.ExitCode);
    }

    internal async Task EndedAsync(Func<bool> gone)
    {
        while (!gone())
        {
            var ended = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            void OnEnded(JobProcess process) => ended.TrySetResult();
            Registry.Ended += OnEnded;
            if (!gone())
                await ended.Task.WaitAsync(TimeSpan.FromSeconds(30), TestContext.Current.CancellationToken);
            Registry.Ended -= OnEnded;
        }
    }

    public async ValueTask DisposeAsync()
    {
        try
        {
            if (_listener is not null)
                await _listener.StopAsync(CancellationToken.None);
        }
        finally
        {
            _listener?.Dispose();
            _processes.ForEach(End);
            Registry.Dispose();
            Directory.Delete(RunDirectory, recursive: true);
        }
    }

    private static void End(Process process)
    {
        using (process)
        {
            if (!process.HasExited)
                process.Kill(entireProcessTree: true);
        }
    }

    private JobRegistry Open() => new(new JobStore(Options, NullLogger<JobStore>.Instance), Feed, Options, TimeProvider.System, NullLogger<JobRegistry>.Instance);

    private static string Root()
    {
        string directory = AppContext.BaseDirectory;
        while (!File.Exists(Path.Combine(directory, "OpenMosix.sln")))
            directory = Path.GetDirectoryName(directory)!;
        return directory;
    }
}
