// Orders that must reach a node however long it takes: thaw, abort, discard. The first attempt is awaited by who gives the order; a node that does not
// answer is asked again in the background, with growing pauses, until it does or the daemon ends (then the Reconciler of the next one does it).
using System.Collections.Concurrent;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using OpenMosix.Protocol.V1;

namespace OpenMosix.Daemon.Migration;

internal enum Errand
{
    Thaw,
    Abort,
    Discard,
}

internal sealed partial class Errands(TimeProvider time, ILogger<Errands> log) : IHostedService, IDisposable
{
    private static readonly TimeSpan FirstPause = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(30);

    private readonly CancellationTokenSource _stopping = new();
    private readonly ConcurrentDictionary<(Errand Kind, ulong Key, string Node), bool> _open = new();

    public int Open => _open.Count;

    /// <summary>The node where this process waits to be thawed; null when it does not.</summary>
    public string? WaitsAt(ulong key)
    {
        foreach ((Errand kind, ulong openKey, string node) in _open.Keys)
        {
            if (kind == Errand.Thaw && openKey == key)
                return node;
        }
        return null;
    }

    /// <returns>Whether the node has answered already.</returns>
    public async Task<bool> RunAsync(Errand kind, IMoveNode node, KeyRequest request)
    {
        if (await TryAsync(kind, node, request).ConfigureAwait(false))
            return true;
        LogWaits(kind, request.Key.ToString("x16"), node.Node);
        _open[(kind, request.Key, node.Node)] = true;
        _ = RetryAsync(kind, node, request);
        return false;
    }

    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StopAsync(CancellationToken cancellationToken) => _stopping.CancelAsync();

    public void Dispose() => _stopping.Dispose();

    private async Task RetryAsync(Errand kind, IMoveNode node, KeyRequest request)
    {
        TimeSpan pause = FirstPause;
        try
        {
            do
            {
                await Task.Delay(pause, time, _stopping.Token).ConfigureAwait(false);
                pause = pause * 2 < LongestPause ? pause * 2 : LongestPause;
            }
            while (!await TryAsync(kind, node, request).ConfigureAwait(false));
            _open.TryRemove((kind, request.Key, node.Node), out _);
            LogDone(kind, request.Key.ToString("x16"), node.Node);
        }
        catch (OperationCanceledException)
        {
            // The daemon stops.
        }
    }

    private async Task<bool> TryAsync(Errand kind, IMoveNode node, KeyRequest request)
    {
        try
        {
            Step<MoveReply> step = await (kind switch
            {
                Errand.Thaw => node.ThawAsync(request, _stopping.Token),
                Errand.Abort => node.AbortAsync(request, _stopping.Token),
                _ => node.DiscardAsync(request, _stopping.Token),
            }).ConfigureAwait(false);
            // A refusal: it holds no such thing (any more).
            return step.Sureness is Sureness.Done or Sureness.Refused;
        }
        catch (OperationCanceledException)
        {
            return false;
        }
    }

    [LoggerMessage(530, LogLevel.Warning, "{Errand} of key {Key}: node {Node} does not answer; asked again until it does")]
    private partial void LogWaits(Errand errand, string key, string node);

    [LoggerMessage(531, LogLevel.Information, "{Errand} of key {Key}: node {Node} has done it")]
    private partial void LogDone(Errand errand, string key, string node);
}
