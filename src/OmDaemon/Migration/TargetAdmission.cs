// Whether this node takes a body, decided before anything is built: pure, from the image and what this node knows of itself.
using OpenMosix.Checkpoint.Cpu;
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
        if (CpuFeatures.Missing(image.Cpu is { } cpu ? cpu.Features.Span : [], target.Self.CpuFeatures.Span) is { Count: > 0 } missing)
            return Refusals.CpuFeatures($"node {node} lacks of {image.Node}: {string.Join(", ", missing)}");
        ulong need = Need(MemoryNeed.Of(image));
        ulong available = target.Self.Load?.MemoryAvailableBytes ?? 0;
        ulong free = available > target.ReservedBytes ? available - target.ReservedBytes : 0;
        if (need > free)
            return Refusals.Make("target-memory", $"node {node} has {free >> 20} MiB left, {need >> 20} MiB are needed", "choose a node with more room, or wait");
        return null;
    }

    // omcell's init, and room for one that ends while the next is made.
    private const uint CellsOwn = 4;

    // An eighth more than it has: at nine tenths of its limit a body is sent home again (MemoryGuard).
    public static ulong Need(ulong bytes) => bytes + (bytes / 8) + SlackBytes;

    /// <summary>
    /// What the body may use at most: all the node has left but a tenth, so that a growing body is stopped by its cell before it
    /// takes the node down.
    /// </summary>
    public static CellLimits Limits(ProcessImage image, TargetState target, uint homeCpus)
    {
        ulong need = Need(MemoryNeed.Of(image));
        ulong available = target.Self.Load?.MemoryAvailableBytes ?? 0;
        ulong free = available > target.ReservedBytes ? available - target.ReservedBytes : 0;
        return new CellLimits { MemoryBytes = Math.Max(need, free - (free / 10)), NeedBytes = need, Pids = image.AgentSlots + CellsOwn, Cpus = homeCpus };
    }
}
