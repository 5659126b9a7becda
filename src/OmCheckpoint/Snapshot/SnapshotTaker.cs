using OpenMosix.Checkpoint.Freeze;
using OpenMosix.Protocol.Errors;
using OpenMosix.Protocol.V1;

namespace OpenMosix.Checkpoint.Snapshot;

internal static class SnapshotTaker
{
    public static Outcome<ProcessImage> Take(FrozenThread frozen, SnapshotOptions options) => throw new NotImplementedException();
}
