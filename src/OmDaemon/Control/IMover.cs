using OpenMosix.Protocol.V1;

namespace OpenMosix.Daemon.Control;

/// <summary>Conducts moves. The caller's right to the process has been checked. Implemented in Migration/.</summary>
public interface IMover
{
    /// <param name="homePid">A process <see cref="IProcessDirectory.Find"/> knows.</param>
    /// <param name="node">A node id, or "home".</param>
    /// <param name="cancellationToken">The one who asked no longer waits. A move past the point of no return goes on.</param>
    Task<MigrateReply> MigrateAsync(int homePid, string node, CancellationToken cancellationToken);

    Task<WhyReply> WhyAsync(int homePid, CancellationToken cancellationToken);
}
