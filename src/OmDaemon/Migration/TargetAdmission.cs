// Whether this node takes a body, decided before anything is built: pure, from the image and what this node knows of itself.
using OpenMosix.Protocol.Errors;
using OpenMosix.Protocol.V1;

namespace OpenMosix.Daemon.Migration;

/// <param name="ReservedBytes">Promised to bodies that are being restored at this moment.</param>
internal sealed record TargetState(NodeInfo Self, ulong ReservedBytes);

internal static class TargetAdmission
{
    /// <summary>Page tables, the cell, the agent; and what the node needs to breathe.</summary>
    public const ulong SlackBytes = 32 << 20;

    public static Refusal? Check(ProcessImage image, TargetState target)
    {
        string node = target.Self.Node;
        if (!target.Self.Accepts)
            return Refusals.Make("not-accepting", $"node {node}", "it takes no processes of others (accepts = no): choose another node");
        if (MissingFeatures(image.Cpu is { } cpu ? cpu.Features.Span : [], target.Self.CpuFeatures.Span) is { } missing)
            return Refusals.CpuFeatures($"node {node} lacks CPU features of {image.Node} ({missing})");
        ulong need = MemoryNeed.Of(image) + SlackBytes;
        ulong available = target.Self.Load?.MemoryAvailableBytes ?? 0;
        ulong free = available > target.ReservedBytes ? available - target.ReservedBytes : 0;
        if (need > free)
            return Refusals.Make("target-memory", $"node {node} has {free >> 20} MiB left, {need >> 20} MiB are needed", "choose a node with more room, or wait");
        return null;
    }

    /// <summary>
    /// What the body may use at most: all the node has left but a tenth, so that a growing body is stopped by its cell before it
    /// takes the node down.
    /// </summary>
    public static CellLimits Limits(ProcessImage image, TargetState target, uint homeCpus)
    {
        ulong need = MemoryNeed.Of(image) + SlackBytes;
        ulong available = target.Self.Load?.MemoryAvailableBytes ?? 0;
        ulong free = available > target.ReservedBytes ? available - target.ReservedBytes : 0;
        return new CellLimits { MemoryBytes = Math.Max(need, free - (free / 10)), Pids = 64, Cpus = homeCpus };
    }

    // Words beyond the end of either count as zero.
    private static string? MissingFeatures(ReadOnlySpan<byte> needed, ReadOnlySpan<byte> present)
    {
        for (int i = 0; i < needed.Length; i++)
        {
            int lacking = needed[i] & ~(i < present.Length ? present[i] : 0);
            if (lacking != 0)
                return $"word {i / 4}, mask 0x{lacking << (i % 4 * 8):x}";
        }
        return null;
    }
}
