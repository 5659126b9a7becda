using System.Collections.Concurrent;
using OpenMosix.Grpc;
using OpenMosix.Protocol.V1;

namespace OpenMosix.Compat.Moving;

/// <summary>
/// Moves every process of every job of one home: each as soon as it is seen, and again 300 ms after every attempt, to a node where it is not.
/// </summary>
internal sealed class JobMover(HomeDaemon daemon, string home, IReadOnlyList<string> nodes, int seed)
{
    private static readonly TimeSpan Look = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(300);
    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(5);

    // A run that forks without end must not make the daemon do nothing but move.
    private readonly SemaphoreSlim _atOnce = new(16);
    private readonly ConcurrentDictionary<int, Moved> _alive = new();
    private readonly Random _random = new(seed);

    internal MoveTally Tally { get; } = new();

    /// <summary>Until it is told to stop; a move that is under way then is waited for, so that it counts.</summary>
    internal async Task RunAsync(CancellationToken stop)
    {
        using var late = new CancellationTokenSource();
        using var stopping = stop.Register(() => late.CancelAfter(Grace));
        var movers = new List<Task>();
        try
        {
            while (true)
            {
                foreach (var process in await ListAsync(stop))
                {
                    var known = _alive.GetOrAdd(process.Pid, _ => new Moved());
                    known.See(process, Tally);
                    if (known.Begin())
                    {
                        movers.Add(MoveAsync(process, known, stop, late.Token));
                    }
                }

                await Task.Delay(Look, stop);
            }
        }
        catch (OperationCanceledException)
        {
            await Task.WhenAll(movers);
        }
    }

    private async Task<IReadOnlyList<ProcessStatus>> ListAsync(CancellationToken stop)
    {
        try
        {
            return [.. (await daemon.ProcessesAsync(stop)).Where(process => process.Home == home)];
        }
        catch (RpcException e) when (e.Code != StatusCode.Cancelled || !stop.IsCancellationRequested)
        {
            Tally.Refused(new ProcessStatus(), "", new Failure { Stage = "list", Message = $"{e.Code} {e.Status.Detail}" });
            return [];
        }
    }

    private async Task MoveAsync(ProcessStatus process, Moved known, CancellationToken stop, CancellationToken late)
    {
        try
        {
            while (await MoveOnceAsync(process, known, stop, late))
            {
                await Task.Delay(Pause, stop);
            }
        }
        catch (OperationCanceledException)
        {
            // The run has ended.
        }
        finally
        {
            _alive.TryRemove(process.Pid, out _);
        }
    }

    /// <returns>Whether the process is still there.</returns>
    private async Task<bool> MoveOnceAsync(ProcessStatus process, Moved known, CancellationToken stop, CancellationToken late)
    {
        await _atOnce.WaitAsync(stop);
        var target = Another(known.Where);
        known.Moving = true;
        try
        {
            var reply = await daemon.MigrateAsync(process.Pid, target == home ? "home" : target, late);
            if (reply.Moved)
            {
                known.Where = target;
                Tally.Moved(process, reply, home);
            }
            else
            {
                known.Where = nodes.Contains(reply.From) ? reply.From : known.Where;
                Tally.Refused(process, target, reply.Failure ?? new Failure { Stage = "unknown" });
            }

            return true;
        }
        catch (RpcException e) when (e.Code == StatusCode.NotFound)
        {
            return false;
        }
        catch (RpcException e) when (!stop.IsCancellationRequested)
        {
            Tally.Refused(process, target, new Failure { Stage = "call", Message = $"{e.Code} {e.Status.Detail}" });
            return true;
        }
        catch (RpcException e)
        {
            throw new OperationCanceledException("the run has ended", e, stop);
        }
        finally
        {
            known.Moving = false;
            _atOnce.Release();
        }
    }

    private string Another(string where)
    {
        var others = nodes.Where(node => node != where).ToArray();
        lock (_random)
        {
            return others[_random.Next(others.Length)];
        }
    }

    /// <summary>One process, from when it was seen first until it is not found any more.</summary>
    private sealed class Moved
    {
        private bool _begun;
        private long _calls;

        /// <summary>A process may go home by itself, so this is what was known last.</summary>
        internal string Where { get; set; } = "";

        /// <summary>What a list says meanwhile is of before.</summary>
        internal bool Moving { get; set; }

        internal bool Begin() => !_begun && (_begun = true);

        internal void See(ProcessStatus process, MoveTally tally)
        {
            Where = Moving ? Where : process.Where;
            // At home nobody counts, and away again it begins with none.
            var calls = (long)process.ForwardedCalls;
            tally.Called(calls >= _calls ? calls - _calls : calls);
            _calls = calls;
        }
    }
}
