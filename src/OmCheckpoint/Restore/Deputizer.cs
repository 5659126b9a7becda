using OpenMosix.Checkpoint.Freeze;
using OpenMosix.Protocol.Errors;
using OpenMosix.Protocol.V1;

namespace OpenMosix.Checkpoint.Restore;

internal static class Deputizer
{
    public static Outcome<DeputyProcess> Deputize(FrozenThread frozen, ProcessImage image) => throw new NotImplementedException();
}
