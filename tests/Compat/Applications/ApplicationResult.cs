using OpenMosix.Compat.Running;

namespace OpenMosix.Compat.Applications;

/// <param name="Fault">What was not as natively, or why there is nothing to compare; null: equal.</param>
/// <param name="Slowdown">Times as long as natively; of a case that runs for a fixed time, how much less it got done.</param>
internal sealed record ApplicationResult(string? Fault, Run? Native = null, MovedRun? Moved = null, double Slowdown = 0);
