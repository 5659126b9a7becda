using OpenMosix.Checkpoint.Pages;
using OpenMosix.Protocol.V1;

namespace OpenMosix.Daemon.Ship;

/// <summary>
/// One frozen process whose pages one node may pull. Pulls in progress are counted: when WithdrawAsync returns there is none, and the
/// files are closed. Safe from any thread.
/// </summary>
internal sealed class PageOffer(ulong key, uint epoch, int memoryPid, int tracer, string targetNode, List<PageSpan> spans, SourceFiles files)
{
    private readonly Lock _lock = new();
    private readonly CancellationTokenSource _withdrawn = new();
    private readonly TaskCompletionSource _drained = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _pulls;

    public ulong Key => key;

    public uint Epoch => epoch;

    public int MemoryPid => memoryPid;

    /// <summary>Who holds the process still; 0: nobody by ptrace.</summary>
    public int Tracer => tracer;

    public string TargetNode => targetNode;

    public SourceFiles Files => files;

    /// <summary>Set when the pulls must end.</summary>
    public CancellationToken Withdrawn => _withdrawn.Token;

    /// <returns>False if the offer is withdrawn; else Leave must follow.</returns>
    public bool TryEnter()
    {
        lock (_lock)
        {
            if (_withdrawn.IsCancellationRequested)
                return false;
            _pulls++;
            return true;
        }
    }

    public void Leave()
    {
        lock (_lock)
        {
            if (--_pulls == 0 && _withdrawn.IsCancellationRequested)
                _drained.TrySetResult();
        }
    }

    public async Task WithdrawAsync()
    {
        lock (_lock)
        {
            _withdrawn.Cancel();
            if (_pulls == 0)
                _drained.TrySetResult();
        }

        await _drained.Task.ConfigureAwait(false);
        files.Dispose();
        _withdrawn.Dispose();
    }

    /// <summary>All of it is part of what is offered. Takes a list without faults.</summary>
    public PageSpan? FirstNotOffered(IReadOnlyList<PageSpan> wanted)
    {
        var at = 0;
        foreach (PageSpan span in wanted)
        {
            // Both lists ascend, so one walk over them is enough.
            while (at < spans.Count && (spans[at].File < span.File || (spans[at].File == span.File && spans[at].Offset + spans[at].Bytes <= span.Offset)))
                at++;
            if (at == spans.Count || spans[at].File != span.File || spans[at].Offset > span.Offset
                || spans[at].Offset + spans[at].Bytes < span.Offset + span.Bytes)
            {
                return span;
            }
        }

        return null;
    }
}
