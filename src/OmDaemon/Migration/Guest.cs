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
internal sealed record Guest(ulong Key, uint Epoch, string Home, GuestState State, int HomePid, string Name, ulong Bytes)
{
    public static Guest Of(RestoreRequest request, string home) =>
        new(request.Key, request.Epoch, home, GuestState.Restoring, request.Image.Pid, request.Image.Name, MemoryNeed.Of(request.Image));

    public static Guest Of(HeldProcess held) => new(held.Key, held.Epoch, held.Peer, held.Role switch
    {
        HeldProcess.Types.Role.Remote => GuestState.Running,
        HeldProcess.Types.Role.Frozen => GuestState.Frozen,
        _ => GuestState.Restoring,
    }, held.HomePid, "", 0);
}
