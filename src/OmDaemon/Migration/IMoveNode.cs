using OpenMosix.Protocol.V1;

namespace OpenMosix.Daemon.Migration;

/// <summary>
/// One end of a move: this node or another. Every step can be repeated: what is not there (any more) is undone already. Tokens are
/// deadlines or a move given up; a step that changed something before it was cancelled says Unknown.
/// </summary>
internal interface IMoveNode
{
    string Node { get; }

    /// <param name="pid">The process, where it is native at home; 0 elsewhere.</param>
    Task<Step<FreezeReply>> FreezeAsync(FreezeRequest request, int pid, CancellationToken cancellationToken);

    /// <summary>Its pages are offered to the target until Thaw. When it fails the process still stands.</summary>
    /// <param name="pid">As of FreezeAsync.</param>
    Task<Step<SnapshotReply>> SnapshotAsync(SnapshotRequest request, int pid, CancellationToken cancellationToken);

    Task<Step<MoveReply>> ThawAsync(KeyRequest request, CancellationToken cancellationToken);

    /// <summary>Pulls and builds. When it fails it has undone its part, unless the answer is Unknown.</summary>
    Task<Step<RestoreReply>> RestoreAsync(RestoreRequest request, CancellationToken cancellationToken);

    Task<Step<MoveReply>> RunAsync(RunRequest request, CancellationToken cancellationToken);

    Task<Step<MoveReply>> AbortAsync(KeyRequest request, CancellationToken cancellationToken);

    Task<Step<MoveReply>> DiscardAsync(KeyRequest request, CancellationToken cancellationToken);
}
