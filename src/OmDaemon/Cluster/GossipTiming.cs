namespace OpenMosix.Daemon.Cluster;

/// <param name="Period">Between rounds, and between measurements of this node's load.</param>
/// <param name="SuspectAfter">A node not heard of for so long is dialled directly.</param>
/// <param name="DeadAfter">One that is silent for so long and does not answer is dead.</param>
internal sealed record GossipTiming(TimeSpan Period, TimeSpan SuspectAfter, TimeSpan DeadAfter)
{
    public static GossipTiming Default { get; } = new(TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(3), TimeSpan.FromSeconds(6));

    /// <summary>Who has not answered by then has not answered; a round ends before the next begins.</summary>
    public TimeSpan Patience => Period * 0.9;
}
