// Which processes move together: those that share memory, as home's warden finds them among all of this node, and as long as all of them are processes
// of jobs.
using OpenMosix.Daemon.Hosting;
using OpenMosix.Daemon.Jobs;
using OpenMosix.Daemon.Warden;
using OpenMosix.Protocol.Errors;
using OpenMosix.Protocol.V1;

namespace OpenMosix.Daemon.Migration;

/// <param name="Members">By pid, ascending; those that have ended since are not among them.</param>
/// <param name="Memory">What they share; what only one has, too.</param>
/// <param name="Refusal">Set: it cannot leave home.</param>
/// <param name="Unknown">Set: who they are, or where one of them is, was not to be learned, and nobody moves.</param>
internal sealed record Group(IReadOnlyList<JobProcess> Members, IReadOnlyList<SharedMemory> Memory, Refusal? Refusal, Failure? Unknown = null);

internal sealed class Groups(JobRegistry jobs, IWarden warden, DaemonOptions options, TimeProvider time)
{
    public async Task<Group> OfAsync(JobProcess process, CancellationToken cancellationToken)
    {
        WardenAnswer answer = await warden.AskAsync(
            new ToWarden { Sharers = new WardenSharers { Pid = process.Pid } }, MoveDeadlines.Short, time, cancellationToken).ConfigureAwait(false);
        Step<WardenSharersReply> said = Steps.Of(answer, Stage.Freeze, reply => reply.Sharers);
        if (said is not { Ok: true, Value: { } sharing })
            return new Group([process], [], null, said.Failure);
        if (sharing.Pids.Count == 0)
            return new Group([process], [], null);
        List<JobProcess> members = [process];
        Refusal? refusal = sharing.Refusal;
        foreach (int pid in sharing.Pids.Where(pid => pid != process.Pid))
        {
            if (jobs.Find(pid) is { } member)
                members.Add(member);
            else if (ProcessStat.Read(pid) is { IsZombie: false })
                refusal ??= Refusals.SharedMemory($"{sharing.Memory.First(memory => memory.Pids.Contains(pid)).Name}, which process {pid} has, too, and is of no job");
        }
        Failure? unknown = await BegunAsync(process, members, cancellationToken).ConfigureAwait(false);
        return new Group([.. members.Where(member => member == process || !member.HasEnded).OrderBy(member => member.Pid)], sharing.Memory, refusal, unknown);
    }

    /// <summary>A child that is being forked away has its deputy at home before its body has presented itself there: it is waited for.</summary>
    private async Task<Failure?> BegunAsync(JobProcess process, List<JobProcess> members, CancellationToken cancellationToken)
    {
        if (process.Residence.Node == options.Node)
            return null;
        List<(JobProcess Process, Task Changed)> native = [.. members.Select(member => (member, member.Changed)).Where(one => one.member.Residence.Place == Place.Native)];
        if (native.Count == 0)
            return null;
        WardenAnswer answer = await warden.AskAsync(new ToWarden { Status = new WardenStatus() }, MoveDeadlines.Short, time, cancellationToken).ConfigureAwait(false);
        Step<WardenStatusReply> status = Steps.Of(answer, Stage.Freeze, reply => reply.Status);
        if (status is not { Ok: true, Value: { } held })
            return status.Failure;
        foreach ((JobProcess member, Task changed) in native.Where(one => held.Processes.Any(deputy => deputy.Role == HeldProcess.Types.Role.Deputy && deputy.Pid == one.Process.Pid)))
        {
            if (!member.HasEnded && !await changed.WithinAsync(MoveDeadlines.Standing, time, cancellationToken).ConfigureAwait(false))
                return Failures.Broken(Stage.Freeze, $"process {member.Pid}, which shares its memory, was forked on {process.Residence.Node}, and its body has not been heard of");
        }
        return null;
    }
}
