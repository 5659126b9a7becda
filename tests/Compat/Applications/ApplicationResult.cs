using OpenMosix.Compat.Running;

namespace OpenMosix.Compat.Applications;

/// <param name="Fault">What was not as natively, or why there is nothing to compare; null: equal.</param>
internal sealed record ApplicationResult(string? Fault, Run? Native = null, MovedRun? Moved = null);
