// What `omctl ps` shows: the processes of this node's jobs, wherever their bodies are, and the bodies of others that are here. How many of their
// calls were forwarded only the warden knows; while it does not answer they count as none.
using OpenMosix.Daemon.Control;
using OpenMosix.Daemon.Hosting;
using OpenMosix.Daemon.Migration;
using OpenMosix.Daemon.Warden;
using OpenMosix.Protocol.V1;

namespace OpenMosix.Daemon.Jobs;

internal sealed class ProcessDirectory(JobRegistry jobs, Guests guests, IWarden warden, DaemonOptions options, TimeProvider time) : IProcessDirectory
{
    public async Task<IReadOnlyList<ProcessStatus>> ListAsync(CancellationToken cancellationToken)
    {
        jobs.Refresh();
        ProcessStatus[] all = [.. jobs.Processes.Select(Describe).OfType<ProcessStatus>(), .. guests.All.OrderBy(guest => guest.HomePid).Select(Describe)];
        if (all.Any(process => process.Key != 0))
        {
            WardenAnswer answer = await warden.AskAsync(new ToWarden { Status = new WardenStatus() }, MoveDeadlines.Short, time, cancellationToken).ConfigureAwait(false);
            if (answer is WardenAnswer.Replied { Reply.Status: { } status })
            {
                var calls = status.Processes.ToDictionary(held => held.Key, held => held.Calls);
                foreach (ProcessStatus process in all)
                    process.ForwardedCalls = calls.GetValueOrDefault(process.Key);
            }
        }
        return all;
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
