using OpenMosix.Compat.Moving;

namespace OpenMosix.Compat.Running;

/// <param name="Directory">Where it runs.</param>
/// <param name="User">UID:GID, or null for root.</param>
internal sealed record Script(string Text, string Directory, IReadOnlyDictionary<string, string> Environment, string? User = null);

/// <param name="Evidence">Where it stood when its time was over; null: it ended by itself.</param>
internal sealed record Run(int Status, TimeSpan Wall, string? Evidence)
{
    internal bool Hung => Evidence is not null;

    /// <summary>Of what hangs, the words of `omctl why`.</summary>
    internal string Why => string.Join("; ", (Evidence ?? "").Split('\n').Select(line => line.Trim())
        .Where(line => line.StartsWith("omctl why", StringComparison.Ordinal) || line.StartsWith("last move", StringComparison.Ordinal)));
}

/// <param name="ForwardedBytes">What went over home's network, both ways, and was no page of a move.</param>
internal sealed record MovedRun(Run Run, MoveTally Tally, long ForwardedBytes);
