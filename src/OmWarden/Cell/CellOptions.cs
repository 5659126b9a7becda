using OpenMosix.Protocol.V1;

namespace OpenMosix.Warden.Cell;

/// <summary>What the clocks inside differ from the hosting node's.</summary>
internal readonly record struct CellClock(long MonotonicOffsetNs, long BoottimeOffsetNs);

internal sealed record CellOptions
{
    /// <summary>omcell.</summary>
    internal required string Helper { get; init; }
    internal required string Instance { get; init; }
    /// <summary>No other cell of this warden has it, also after its first body has left.</summary>
    internal required string Name { get; init; }
    internal required int InnerPid { get; init; }
    internal required uint FirstId { get; init; }
    internal required string Hostname { get; init; }
    internal required CellLimits Limits { get; init; }
    internal required CellClock Clock { get; init; }
}

/// <summary>A cell could not be made: a kernel that lacks something, or a limit reached. Nothing of it is left.</summary>
internal sealed class CellException(string where, int errno)
    : Exception(errno == 0 ? $"cell: {where}" : $"cell: {where}: {System.Runtime.InteropServices.Marshal.GetPInvokeErrorMessage(errno)}")
{
    internal int Errno { get; } = errno;
}
