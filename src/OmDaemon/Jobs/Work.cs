using OpenMosix.Daemon.Cluster;
using OpenMosix.Daemon.Migration;

namespace OpenMosix.Daemon.Jobs;

internal sealed class Work : IWork
{
    private readonly JobRegistry _jobs;
    private readonly Guests _guests;
    private TaskCompletionSource _began = NewBegan();

    public Work(JobRegistry jobs, Guests guests)
    {
        (_jobs, _guests) = (jobs, guests);
        jobs.Began += Tell;
        guests.Began += Tell;
    }

    public uint Hosted => (uint)_guests.All.Count;

    public uint Away => (uint)_jobs.Processes.Count(process => process.Residence.Place == Place.Away);

    public bool Any => _jobs.Any || _guests.All.Count > 0;

    public Task Began => Volatile.Read(ref _began).Task;

    private void Tell() => Interlocked.Exchange(ref _began, NewBegan()).SetResult();

    // Whoever waits goes on elsewhere: Tell may be called under a lock.
    private static TaskCompletionSource NewBegan() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}
