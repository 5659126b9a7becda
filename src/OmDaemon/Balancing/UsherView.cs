namespace OpenMosix.Daemon.Balancing;

/// <summary>What memory ushering decides from: one moment of this node and what it knows of the others. Bytes and seconds throughout.</summary>
/// <param name="GrowthPerSecond">By how much memory in use has grown lately; negative when it shrinks.</param>
/// <param name="PendingFreeBytes">Will be free when the moves under way have ended.</param>
internal sealed record UsherView(
    DateTimeOffset Now, NodeRoom Self, double GrowthPerSecond, ulong PendingFreeBytes, IReadOnlyList<NodeRoom> Others, IReadOnlyList<Candidate> Candidates);

/// <param name="PressurePercent">PSI some avg10; 0 where there is none.</param>
/// <param name="PromisedBytes">On their way there from here, and not yet in its load.</param>
internal sealed record NodeRoom(string Node, ulong TotalBytes, ulong AvailableBytes, double PressurePercent, bool Accepts, DateTimeOffset MeasuredAt, ulong PromisedBytes = 0);

/// <summary>A process that could leave: one of this node's jobs, or a guest, which can only go home.</summary>
/// <param name="FreesBytes">Private memory, which its departure gives back; also what is shipped.</param>
/// <param name="OnlyTo">Where alone it may go; null: anywhere.</param>
/// <param name="NotBefore">It failed or was refused: not tried again before.</param>
/// <param name="SettledAt">When it came to where it is by a move; null: it never moved.</param>
internal sealed record Candidate(CandidateId Id, string Name, ulong FreesBytes, string? OnlyTo, DateTimeOffset NotBefore, DateTimeOffset? SettledAt);

/// <summary>Pid of a process at home, or key of a guest; the other is 0.</summary>
internal readonly record struct CandidateId(int Pid, ulong Key);

internal abstract record UsherDecision
{
    private UsherDecision() { }

    /// <summary>There is enough memory.</summary>
    public sealed record Rest : UsherDecision;

    /// <summary>Memory is short and nothing can be done about it; why, in words.</summary>
    public sealed record Stuck(string Why) : UsherDecision;

    public sealed record Send(Candidate Process, string Target, string Why) : UsherDecision;
}
