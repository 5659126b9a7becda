// Memory ushering, the policy alone: a pure function of a snapshot. Before memory runs out, the process whose departure frees enough at least cost
// leaves for the node with most room. What it costs is what is shipped: so the smallest that is enough, or the largest if none is.
//
//   available:  0 ........ critical ........ low ........ relief ........ total
//                          settled processes  act below    until here
//                          may go again
//
// Against ping-pong: a target must be left well above its own mark; a process that has just moved stays for a while; one that was refused or
// failed is left alone for longer each time.
using OpenMosix.Daemon.Migration;

namespace OpenMosix.Daemon.Balancing;

internal static class MemoryUshering
{
    /// <summary>Growth goes on while a decision is carried out.</summary>
    public static readonly TimeSpan Foresight = TimeSpan.FromSeconds(1.5);

    /// <summary>After a move a process stays at least so long, unless memory is critical.</summary>
    public static readonly TimeSpan Settling = TimeSpan.FromSeconds(20);

    /// <summary>Older news of a node is no ground to send something there.</summary>
    public static readonly TimeSpan NewsAge = TimeSpan.FromSeconds(15);

    /// <summary>Not worth a move.</summary>
    public const ulong SmallestBytes = 4 * MiB;

    /// <summary>PSI above which twice the mark counts as short already.</summary>
    public const double PressurePercent = 10;

    private const ulong MiB = 1 << 20;

    /// <summary>Below this a node is short: a tenth, at least 128 MiB and at most 1 GiB; on a tiny node a quarter.</summary>
    public static ulong LowMark(ulong totalBytes) => Math.Min(Math.Clamp(totalBytes / 10, 128 * MiB, 1024 * MiB), totalBytes / 4);

    public static ulong ReliefMark(ulong totalBytes) => LowMark(totalBytes) * 3 / 2;

    public static ulong CriticalMark(ulong totalBytes) => LowMark(totalBytes) / 3;

    /// <summary>What a target must have left when the process has arrived.</summary>
    public static ulong TargetMark(ulong totalBytes) => LowMark(totalBytes) * 2;

    public static UsherDecision Decide(UsherView view)
    {
        ulong total = view.Self.TotalBytes;
        ulong expected = Expected(view);
        bool pressed = view.Self.PressurePercent >= PressurePercent && expected < 2 * LowMark(total);
        if (expected >= LowMark(total) && !pressed)
            return new UsherDecision.Rest();

        bool critical = expected < CriticalMark(total);
        ulong needed = Math.Max(ReliefMark(total) > expected ? ReliefMark(total) - expected : 0, SmallestBytes);
        string state = $"{view.Self.Node} runs short: {Words(view.Self.AvailableBytes)} of {Words(total)} left";
        Candidate[] able = [.. view.Candidates.Where(candidate => MayLeave(candidate, view.Now, critical))];
        if (able.Length == 0)
            return new UsherDecision.Stuck($"{state}, and none of {view.Candidates.Count} processes may leave now");

        // Enough: the smallest first. Not enough: the largest first.
        IEnumerable<Candidate> order = able.Where(candidate => candidate.FreesBytes >= needed).OrderBy(candidate => candidate.FreesBytes)
            .Concat(able.Where(candidate => candidate.FreesBytes < needed).OrderByDescending(candidate => candidate.FreesBytes));
        foreach (Candidate candidate in order)
        {
            if (Target(candidate, view) is { } target)
                return new UsherDecision.Send(candidate, target.Node, $"{state}; {target.Node} has {Words(target.AvailableBytes)}");
        }
        return new UsherDecision.Stuck($"{state}, and no node has room for {able[0].Name} ({Words(able.Max(candidate => candidate.FreesBytes))})");
    }

    /// <summary>What will be available by the time a decision has its effect.</summary>
    private static ulong Expected(UsherView view)
    {
        double growth = Math.Max(view.GrowthPerSecond, 0) * Foresight.TotalSeconds;
        double expected = view.Self.AvailableBytes + (double)view.PendingFreeBytes - growth;
        return expected <= 0 ? 0 : (ulong)expected;
    }

    private static bool MayLeave(Candidate candidate, DateTimeOffset now, bool critical) =>
        candidate.FreesBytes >= SmallestBytes && now >= candidate.NotBefore &&
        (critical || candidate.SettledAt is not { } settled || now - settled >= Settling);

    private static NodeRoom? Target(Candidate candidate, UsherView view) => view.Others
        .Where(node => (candidate.OnlyTo is null ? node.Accepts : candidate.OnlyTo == node.Node) && view.Now - node.MeasuredAt <= NewsAge)
        .Where(node => Left(node, candidate) is { } left && left >= TargetMark(node.TotalBytes))
        .OrderByDescending(node => Left(node, candidate))
        .ThenBy(node => node.Node, StringComparer.Ordinal)
        .FirstOrDefault();

    private static ulong? Left(NodeRoom node, Candidate candidate)
    {
        ulong taken = TargetAdmission.Need(candidate.FreesBytes) + node.PromisedBytes;
        return node.AvailableBytes > taken ? node.AvailableBytes - taken : null;
    }

    private static string Words(ulong bytes) => bytes >= 10UL << 30 ? $"{bytes >> 30} GiB" : $"{bytes >> 20} MiB";
}
