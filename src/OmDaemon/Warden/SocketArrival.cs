// Wakes when the warden's socket (re)appears: inotify on the run directory.
using System.Threading.Channels;

namespace OpenMosix.Daemon.Warden;

internal sealed class SocketArrival : IDisposable
{
    private readonly FileSystemWatcher _watcher;
    private readonly Channel<bool> _arrived = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });

    public SocketArrival(string socketPath)
    {
        _watcher = new FileSystemWatcher(Path.GetDirectoryName(socketPath)!, Path.GetFileName(socketPath)) { NotifyFilter = NotifyFilters.FileName };
        _watcher.Created += (_, _) => _arrived.Writer.TryWrite(true);
        _watcher.Renamed += (_, _) => _arrived.Writer.TryWrite(true);
        _watcher.EnableRaisingEvents = true;
    }

    /// <summary>Until the socket appears, or `atMost` has passed: bind(2) makes the file a moment before listen(2) makes it useful.</summary>
    /// <returns>Whether it has appeared.</returns>
    public async Task<bool> WaitAsync(TimeSpan atMost, TimeProvider time, CancellationToken cancellationToken)
    {
        using var limit = new CancellationTokenSource(atMost, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        try
        {
            return await _arrived.Reader.ReadAsync(either.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            return false;
        }
    }

    public void Dispose() => _watcher.Dispose();
}
