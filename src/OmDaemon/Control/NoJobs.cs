using OpenMosix.Protocol.V1;

namespace OpenMosix.Daemon.Control;

/// <summary>Stands in where a daemon is built without jobs.</summary>
internal sealed class NoJobs : IProcessDirectory, IMover
{
    public Task<IReadOnlyList<ProcessStatus>> ListAsync(CancellationToken cancellationToken) => Task.FromResult<IReadOnlyList<ProcessStatus>>([]);

    public ProcessStatus? Find(int homePid) => null;

    public Task<MigrateReply> MigrateAsync(int homePid, string node, CancellationToken cancellationToken) => throw new InvalidOperationException();

    public Task<WhyReply> WhyAsync(int homePid, CancellationToken cancellationToken) => throw new InvalidOperationException();
}
