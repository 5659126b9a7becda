using OpenMosix.Protocol.V1;

namespace OpenMosix.Daemon.Migration;

internal enum GuestState
{
    Restoring,
    Ready,
    Running,
    Frozen,
}

/// <summary>A body of another node's process, here or on its way in. Immutable; Guests keeps the current one.</summary>
/// <param name="Epoch">Of the move that brings or brought it.</param>
/// <param name="Leader">Key of the one of its group that came first; 0: it is.</param>
internal sealed record Guest(ulong Key, uint Epoch, string Home, GuestState State, int HomePid, string Name, ulong Bytes, ulong Leader = 0)
{
    public static Guest Of(RestoreRequest request, string home) =>
        new(request.Key, request.Epoch, home, GuestState.Restoring, request.Image.Pid, request.Image.Name, MemoryNeed.Of(request.Image), request.Beside);

    public static Guest Of(HeldProcess held) => new(held.Key, held.Epoch, held.Peer, held.Role switch
    {
        HeldProcess.Types.Role.Remote => GuestState.Running,
        HeldProcess.Types.Role.Frozen => GuestState.Frozen,
        _ => GuestState.Restoring,
    }, held.HomePid, "", 0);
}
