// What `omctl ps` shows: the processes of this node's jobs, wherever their bodies are, and the bodies of others that are here.
using OpenMosix.Daemon.Control;
using OpenMosix.Daemon.Hosting;
using OpenMosix.Daemon.Migration;
using OpenMosix.Protocol.V1;

namespace OpenMosix.Daemon.Jobs;

internal sealed class ProcessDirectory(JobRegistry jobs, Guests guests, DaemonOptions options) : IProcessDirectory
{
    public IReadOnlyList<ProcessStatus> Processes
    {
        get
        {
            jobs.Refresh();
            return [.. jobs.Processes.Select(Describe).OfType<ProcessStatus>(), .. guests.All.OrderBy(guest => guest.HomePid).Select(Describe)];
        }
    }

    public ProcessStatus? Find(int homePid) => jobs.Find(homePid) is { } process ? Describe(process) : null;

    private ProcessStatus? Describe(JobProcess process)
    {
        if (ProcessStat.Read(process.Pid) is not { } stat)
            return null;
        Residence residence = process.Residence;
        return new ProcessStatus
        {
            Pid = process.Pid,
            Command = stat.CommandLine(),
            Uid = process.Job.Uid,
            Job = process.Job.Id,
            Home = options.Node,
            Where = residence.Node,
            State = residence.Place.ToString().ToLowerInvariant(),
            ResidentBytes = residence.Place == Place.Away ? process.BodyBytes : (ulong)stat.ResidentBytes,
            Epoch = residence.Epoch,
            Moves = process.Moves,
            Key = residence.Key,
            LastMove = process.LastMove,
        };
    }

    // Whose they are is known at their home only: so root alone sees them here.
    private ProcessStatus Describe(Guest guest) => new()
    {
        Pid = guest.HomePid,
        Command = guest.Name,
        Uid = 0,
        Home = guest.Home,
        Where = options.Node,
        State = "hosted",
        ResidentBytes = guest.Bytes,
        Epoch = guest.Epoch,
        Key = guest.Key,
    };
}
