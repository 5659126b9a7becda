using System.Collections.Concurrent;
using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using OpenMosix.Protocol.V1;

namespace OpenMosix.Compat.Moving;

/// <summary>What came of all attempts to move the processes of one run. Several threads write to it.</summary>
internal sealed partial class MoveTally
{
    private const int NoSuchProcess = 3; // ESRCH

    private readonly ConcurrentDictionary<string, Reason> _refusals = new();
    private readonly StringBuilder _history = new();
    private readonly Lock _lock = new();
    private int _moves;
    private long _imageBytes, _imageBytesAtHome, _calls;

    internal int Moves => _moves;

    /// <summary>Bytes of pages that the moves shipped.</summary>
    internal long ImageBytes => _imageBytes;

    /// <summary>Of these, what left home or arrived there.</summary>
    internal long ImageBytesAtHome => _imageBytesAtHome;

    /// <summary>Calls that bodies had executed at home, as far as they were listed: what a body forwarded after the last look before it ended is missing.</summary>
    internal long ForwardedCalls => _calls;

    /// <summary>By name, the most frequent first.</summary>
    internal IReadOnlyList<KeyValuePair<string, Reason>> Refusals => [.. _refusals.OrderByDescending(each => each.Value.Count)];

    /// <summary>A line for each attempt.</summary>
    internal string History
    {
        get
        {
            lock (_lock)
            {
                return _history.ToString();
            }
        }
    }

    internal void Moved(ProcessStatus process, MigrateReply reply, string home)
    {
        Interlocked.Increment(ref _moves);
        Interlocked.Add(ref _imageBytes, (long)reply.Times.Bytes);
        if (reply.From == home || reply.To == home)
        {
            Interlocked.Add(ref _imageBytesAtHome, (long)reply.Times.Bytes);
        }

        Note(process, $"{reply.From} -> {reply.To}, {reply.Times.Bytes >> 10} KiB, stood still {reply.Times.StallUs / 1000.0:0.0} ms");
    }

    internal void Refused(ProcessStatus process, string node, Failure failure)
    {
        var (name, about) = (failure.Refusal, HasEnded(failure)) switch
        {
            ({ } refusal, _) => (refusal.Name, refusal.Object),
            (_, true) => ("ended", failure.Message),
            _ => ($"{failure.Stage.ToLowerInvariant()}: {Number().Replace(failure.Message, "N")}", failure.Errno == 0 ? "" : $"errno {failure.Errno}"),
        };
        _refusals.AddOrUpdate(name, new Reason(1, about), (_, known) => known with { Count = known.Count + 1 });
        Note(process, $"not to {node}: {name} {about}");
    }

    internal void Called(long calls) => Interlocked.Add(ref _calls, calls);

    internal void Note(ProcessStatus process, string text)
    {
        lock (_lock)
        {
            _history.Append(CultureInfo.InvariantCulture, $"{DateTime.UtcNow:HH:mm:ss.fff} {process.Pid} {process.Command}: {text}\n");
        }
    }

    /// <param name="About">The object at fault the first time.</param>
    internal sealed record Reason(int Count, string About);

    // It ended before its move did: no failure of anybody.
    private static bool HasEnded(Failure failure) => failure.Errno == NoSuchProcess || Ended().IsMatch(failure.Message);

    [GeneratedRegex(@"there is no process|has ended|\(errno 3\)")]
    private static partial Regex Ended();

    // What differs from one time to the next: pids, addresses, sizes.
    [GeneratedRegex(@"0x[0-9a-f]+|[0-9a-f]{8,}(-[0-9a-f]{8,})?|\b\d+(\.\d+)?\b")]
    private static partial Regex Number();
}
