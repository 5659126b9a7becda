using OpenMosix.Compat.Moving;

namespace OpenMosix.Compat.Stress;

/// <param name="Moved">Null: there was nothing to compare with, because natively it did not end or was skipped.</param>
internal sealed record StressResult(StressOutcome Native, StressOutcome? Moved = null, MoveTally? Tally = null)
{
    /// <summary>Whether what passes natively does not when it is moved.</summary>
    internal bool Broken => Moved is not null && Native.Word == "passed" && Moved.Word != "passed";
}
