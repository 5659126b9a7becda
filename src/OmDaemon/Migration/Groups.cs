// Which processes move together: those that share memory, as home's warden finds them among all of this node, and as long as all of them are processes
// of jobs.
using OpenMosix.Daemon.Jobs;
using OpenMosix.Daemon.Warden;
using OpenMosix.Protocol.Errors;
using OpenMosix.Protocol.V1;

namespace OpenMosix.Daemon.Migration;

/// <param name="Members">By pid, ascending.</param>
/// <param name="Memory">What they share; what only one has, too.</param>
/// <param name="Refusal">Set: it cannot leave home.</param>
/// <param name="Unknown">Set: the warden did not say, and nobody moves.</param>
internal sealed record Group(IReadOnlyList<JobProcess> Members, IReadOnlyList<SharedMemory> Memory, Refusal? Refusal, Failure? Unknown = null)
{
    /// <summary>It still is what it was, and nobody else has come to it.</summary>
    public bool IsStill(Group before) => Refusal is null && Members.SequenceEqual(before.Members);
}

internal sealed class Groups(JobRegistry jobs, IWarden warden, TimeProvider time)
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
            else
                refusal ??= Refusals.SharedMemory($"{sharing.Memory.First(memory => memory.Pids.Contains(pid)).Name}, which process {pid} has, too, and is of no job");
        }
        return new Group([.. members.OrderBy(member => member.Pid)], sharing.Memory, refusal);
    }
}
