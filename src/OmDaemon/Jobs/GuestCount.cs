using OpenMosix.Daemon.Cluster;
using OpenMosix.Daemon.Migration;

namespace OpenMosix.Daemon.Jobs;

internal sealed class GuestCount(JobRegistry jobs, Guests guests) : IGuestCount
{
    public uint Hosted => (uint)guests.All.Count;

    public uint Away => (uint)jobs.Processes.Count(process => process.Residence.Place == Place.Away);
}
