namespace OpenMosix.Daemon.Cluster;

/// <param name="Period">Between rounds, and between measurements of this node's load.</param>
/// <param name="SuspectAfter">A node not heard of for so long is dialled directly.</param>
/// <param name="DeadAfter">One that is silent for so long and does not answer is dead.</param>
/// <param name="RestPeriod">Between rounds of a node at rest.</param>
/// <param name="RestAfter">With nothing to do for anybody and nothing new to tell for so long, a node is at rest. Longer than it takes to find out whether a suspect is dead.</param>
internal sealed record GossipTiming(TimeSpan Period, TimeSpan SuspectAfter, TimeSpan DeadAfter, TimeSpan RestPeriod, TimeSpan RestAfter)
{
    public static GossipTiming Default { get; } = InPeriodsOf(TimeSpan.FromSeconds(1));

    /// <summary>Who has not answered by then has not answered; a round ends before the next begins.</summary>
    public TimeSpan Patience => Period * 0.9;

    public static GossipTiming InPeriodsOf(TimeSpan period) => new(period, period * 3, period * 6, period * 10, period * 15);
}
