namespace OpenMosix.Daemon.Balancing;

/// <summary>Processes that did not move are not tried again for a while, twice as long each time. One that moved is forgiven.</summary>
internal sealed class Reluctance
{
    private static readonly TimeSpan First = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan Longest = TimeSpan.FromMinutes(10);

    private readonly Dictionary<CandidateId, (DateTimeOffset Until, TimeSpan Pause)> _failed = [];
    private readonly Dictionary<CandidateId, DateTimeOffset> _settled = [];

    public DateTimeOffset NotBefore(CandidateId id) => _failed.TryGetValue(id, out var entry) ? entry.Until : DateTimeOffset.MinValue;

    public DateTimeOffset? SettledAt(CandidateId id) => _settled.TryGetValue(id, out DateTimeOffset at) ? at : null;

    public void Failed(CandidateId id, DateTimeOffset now)
    {
        TimeSpan pause = _failed.TryGetValue(id, out var entry) ? entry.Pause * 2 : First;
        pause = pause < Longest ? pause : Longest;
        _failed[id] = (now + pause, pause);
    }

    public void Moved(CandidateId id, DateTimeOffset now)
    {
        _failed.Remove(id);
        _settled[id] = now;
    }

    /// <summary>Forgets those that are no more.</summary>
    public void Keep(IReadOnlySet<CandidateId> alive)
    {
        foreach (CandidateId id in _failed.Keys.Where(id => !alive.Contains(id)).ToArray())
            _failed.Remove(id);
        foreach (CandidateId id in _settled.Keys.Where(id => !alive.Contains(id)).ToArray())
            _settled.Remove(id);
    }
}
