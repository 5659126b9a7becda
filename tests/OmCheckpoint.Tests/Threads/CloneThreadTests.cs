using OpenMosix.Checkpoint.Freeze;
using OpenMosix.Checkpoint.Interop;
using OpenMosix.Checkpoint.Restore;
using OpenMosix.Checkpoint.Snapshot;
using OpenMosix.Checkpoint.Tests.Restore;
using OpenMosix.Checkpoint.Tracing;
using OpenMosix.Protocol.Errors;
using ProcessStatus = OpenMosix.Checkpoint.Proc.ProcessStatus;

namespace OpenMosix.Checkpoint.Tests.Threads;

/// <summary>A process that makes threads all the time, under a filter that hands its clones to us, as at a hosting node.</summary>
public sealed class CloneThreadTests
{
    private const int ERESTARTNOINTR = 513;
    private const int Clones = 300;

    [RootTheory]
    [InlineData(1)]
    [InlineData(6)]
    public void CloneThread_AgainAndAgain_GivesEveryThreadItsTid(int makers)
    {
        var (space, listener, area) = Move(makers);
        using var ended = space;
        using var served = listener;
        var tid = 500_000;
        for (var clones = 0; served.Next() is { } call; clones++)
        {
            Assert.Equal(CallNumber.clone, call.Number);
            using var parent = Stop(space.Pid, call.Tid, area, served, call.Id);
            var made = parent.CloneThread(space.NextTid, ++tid);
            Assert.True(made.Ok, made.ToString());
            Assert.Equal([call.Tid, made.Value], parent.Threads);
            Assert.Equal(tid, ProcessStatus.Read(made.Value)!.InnerTid);
            Assert.Equal((ulong)tid, parent.ReadRegisters().Value.Rax);
            var (registers, child) = (parent.ReadRegisters().Value, parent.ReadRegisters(made.Value).Value);
            Assert.Equal(0UL, child.Rax);
            Assert.Equal(registers.Rip, child.Rip);
            Assert.Equal(registers.Rdi, child.Rdi);
            Assert.Equal(ProcessStatus.Read(call.Tid)!.Blocked, ProcessStatus.Read(made.Value)!.Blocked);
            if (clones == Clones)
            {
                space.Guest.Send("x");
            }
        }

        space.Guest.ExpectGoodEnd();
    }

    [RootFact]
    public void CloneThread_WithAnotherTid_IsUndoneAndTheProgramHearsEagain()
    {
        var (space, listener, area) = Move(2);
        using var ended = space;
        using var served = listener;
        var tid = 500_000;
        for (var clones = 0; served.Next() is { } call; clones++)
        {
            using var parent = Stop(space.Pid, call.Tid, area, served, call.Id);
            var wrong = clones % 2 == 0;
            var made = parent.CloneThread(next => space.NextTid(wrong ? next + 1 : next), ++tid);
            Assert.Equal(!wrong, made.Ok);
            if (wrong)
            {
                tid++;
                Assert.Equal(Errno.EAGAIN, made.Failure!.Errno);
                Assert.Equal([call.Tid], parent.Threads);
                Assert.Equal(-Errno.EAGAIN, (long)parent.ReadRegisters().Value.Rax);
            }

            if (clones == Clones)
            {
                space.Guest.Send("x");
            }
        }

        space.Guest.ExpectGoodEnd();
    }

    [RootFact]
    public void Snapshot_OfARemote_HasTheTidsOfHomeAndTheSlotsItIsTold()
    {
        var (space, listener, area) = Move(1);
        using var ended = space;
        using var served = listener;
        var call = served.Next()!.Value;
        var options = new FreezeOptions
        {
            AgentArea = area,
            SuspendSeccomp = true,
            Interrupted = _ =>
            {
                served.Answer(call.Id, ERESTARTNOINTR);
                return new(null, tid => new CallEnd(Answered: tid == call.Tid));
            },
        };
        using var frozen = FrozenProcess.Freeze(space.Pid, options).Value;
        var image = frozen.Snapshot(new SnapshotOptions
        {
            Remote = true,
            HomePid = 4711,
            Slot = tid => tid == call.Tid ? 5u : 0u,
            Forwarded = tid => tid == call.Tid ? new ForwardedCall(CallNumber.clone, ulong.MaxValue, 17) : null,
        });
        Assert.True(image.Ok, image.ToString());
        Assert.Null(Protocol.Image.ImageValidation.Check(image.Value));
        Assert.Equal([4711, ProcessStatus.Read(call.Tid)!.InnerTid], image.Value.Threads.Select(thread => thread.Tid));
        Assert.Equal([0u, 5u], image.Value.Threads.Select(thread => thread.Slot));
        Assert.Equal([0ul, 17ul], image.Value.Threads.Select(thread => thread.ResumedDone));
    }

    private static FrozenProcess Stop(int pid, int tid, AgentArea area, Listener listener, ulong call)
    {
        Outcome<FrozenProcess> stopped = FrozenProcess.FreezeThread(pid, tid, new FreezeOptions
        {
            AgentArea = area,
            SuspendSeccomp = true,
            Interrupted = _ =>
            {
                listener.Answer(call, ERESTARTNOINTR);
                return new(null, _ => new CallEnd(Answered: true));
            },
        });
        Assert.True(stopped.Ok, stopped.ToString());
        return stopped.Value;
    }

    private static (PidSpace Space, Listener Listener, AgentArea Area) Move(int makers)
    {
        using var original = Guest.Start("churn", $"{makers}");
        original.Expect("ready");
        var space = new PidSpace(original.Pid);
        using var frozen = ThreadFreezeTests.Freeze(original.Pid);
        var image = frozen.Snapshot().Value;
        var begun = RestoringProcess.Begin(space.Pid, image, space.NextTid);
        Assert.True(begun.Ok, begun.ToString());
        Copy.All(original.Pid, image, begun.Value);
        var finished = begun.Value.Finish(new FinishOptions { SeccompProgram = Filters.CloneToListener });
        Assert.True(finished.Ok, finished.ToString());
        Assert.Equal(0, Kernel.Kill(original.Pid, 9));
        Assert.True(begun.Value.Run().Ok);
        return (space, new Listener(finished.Value!), AgentArea.Of(image));
    }
}
