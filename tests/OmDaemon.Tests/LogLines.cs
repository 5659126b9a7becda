using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;

namespace OpenMosix.Daemon.Tests;

/// <summary>What a daemon logged.</summary>
internal sealed class LogLines : ILoggerProvider, ILogger
{
    private readonly ConcurrentQueue<string> _lines = new();

    public string All => string.Join('\n', _lines);

    /// <summary>Waits until it has logged this so many times; fails when the test's time is up.</summary>
    public async Task SaysAsync(string text, int times)
    {
        var said = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        void Look()
        {
            if (_lines.Count(line => line.Contains(text, StringComparison.Ordinal)) >= times)
                said.TrySetResult();
        }

        Logged += Look;
        Look();
        try
        {
            await said.Task.WaitAsync(TimeSpan.FromSeconds(60), TestContext.Current.CancellationToken);
        }
        finally
        {
            Logged -= Look;
        }
    }

    private event Action? Logged;

    public ILogger CreateLogger(string categoryName) => this;

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => true;

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        string line = $"{logLevel}[{eventId.Id}] {formatter(state, exception)} {exception}";
        _lines.Enqueue(line);
        Logged?.Invoke();
    }

    public void Dispose()
    {
    }
}
