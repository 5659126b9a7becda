using OpenMosix.Protocol.V1;

namespace OpenMosix.Daemon.Control;

/// <summary>The processes this node knows: its own jobs' (native or away) and those it hosts. Implemented in Jobs/.</summary>
public interface IProcessDirectory
{
    /// <summary>A snapshot, in order of pid. Every entry has its uid: the caller's rights are decided by Control.</summary>
    Task<IReadOnlyList<ProcessStatus>> ListAsync(CancellationToken cancellationToken);

    /// <summary>The process of a job whose home this is, by its pid at home; null if there is none.</summary>
    ProcessStatus? Find(int homePid);
}
