using OpenMosix.Checkpoint.Freeze;
using OpenMosix.Checkpoint.Interop;
using OpenMosix.Checkpoint.Restore;
using OpenMosix.Checkpoint.Tests.Restore;
using OpenMosix.Checkpoint.Tracing;
using OpenMosix.Protocol.Errors;
using ProcessStatus = OpenMosix.Checkpoint.Proc.ProcessStatus;

namespace OpenMosix.Checkpoint.Tests.Threads;

/// <summary>A process that makes processes all the time, under a filter that hands its calls to us, as at a hosting node. What registers and masks
/// are like it finds out itself, and its children too (native/forks.c).</summary>
public sealed class CloneProcessTests
{
    private const int ERESTARTNOINTR = 513;
    private const int SIGUSR1 = 10;
    private const int SIGKILL = 9;
    private const int Calls = 60;
    private const ulong CLONE_VM = 0x100, CLONE_VFORK = 0x4000, CLONE_PARENT = 0x8000, CLONE_PARENT_SETTID = 0x100000, CLONE_CHILD_SETTID = 0x1000000;

    public static TheoryData<string> Kinds => ["fork", "vfork", "clone"];

    [RootTheory]
    [MemberData(nameof(Kinds))]
    public void CloneProcess_AgainAndAgain_GivesEveryChildItsPidAndWhatItsMakerHas(string kind) => Run(kind, Calls, 0, 0, (_, maker, call, space, pid) =>
    {
        var told = 0;
        var before = call.WaitsForChild ? default : maker.ReadRegisters().Value;
        var made = maker.CloneProcess(call, space.NextTid, pid, here =>
        {
            told = here;
            Assert.Equal(pid, ProcessStatus.Read(here)!.InnerTid);
            return true;
        });
        Assert.True(made.Ok, made.ToString());
        Assert.Equal(told, made.Value);
        Assert.Equal(call.WaitsForChild ? [] : [space.Pid], maker.Threads);
        if (!call.WaitsForChild)
        {
            Assert.Equal(before with { Rax = (ulong)pid, OrigRax = ulong.MaxValue, Rip = before.Rip }, maker.ReadRegisters().Value with { Rcx = before.Rcx, R11 = before.R11 });
        }
    });

    [RootTheory]
    [MemberData(nameof(Kinds))]
    public void CloneProcess_WhileASignalWaits_ItIsHandledBehindTheCallAndByTheMakerAlone(string kind) => Run(kind, Calls, 0, 0, (_, maker, call, space, pid) =>
    {
        var made = maker.CloneProcess(call, space.NextTid, pid, _ => true);
        Assert.True(made.Ok, made.ToString());
    }, signal: true);

    [RootTheory]
    [MemberData(nameof(Kinds))]
    public void CloneProcess_WithAnotherPid_IsUndoneAndTheProgramHearsEagain(string kind) => Run(kind, Calls / 2, Calls / 2, 0, (i, maker, call, space, pid) =>
    {
        var wrong = i % 2 == 1;
        var made = maker.CloneProcess(call, next => space.NextTid(wrong ? next + 1 : next), pid, _ => wrong ? throw new InvalidOperationException("it is not born") : true);
        AssertUndone(wrong, made, maker, space);
    });

    [RootTheory]
    [MemberData(nameof(Kinds))]
    public void CloneProcess_ThatNobodyServes_IsUndoneAndTheProgramHearsEagain(string kind) => Run(kind, Calls / 2, Calls / 2, 0, (i, maker, call, space, pid) =>
    {
        var (wrong, born) = (i % 2 == 1, 0);
        var made = maker.CloneProcess(call, space.NextTid, pid, here =>
        {
            born = here;
            return !wrong;
        });
        Assert.NotEqual(0, born);
        AssertUndone(wrong, made, maker, space);
    }, signal: true);

    [RootTheory]
    [MemberData(nameof(Kinds))]
    public void CloneProcess_OfAChildThatIsKilledAsItStands_IsMadeAllTheSame(string kind) => Run(kind, Calls / 2, 0, Calls / 2, (i, maker, call, space, pid) =>
    {
        var made = maker.CloneProcess(call, space.NextTid, pid, here => i % 2 == 0 || Kernel.Kill(here, SIGKILL) == 0);
        Assert.True(made.Ok, made.ToString());
    });

    [RootTheory]
    [MemberData(nameof(Kinds))]
    public void CloneProcess_OfAChildThatIsKilledAndNotServed_IsUndone(string kind) => Run(kind, Calls / 2, Calls / 2, 0, (i, maker, call, space, pid) =>
    {
        var wrong = i % 2 == 1;
        var made = maker.CloneProcess(call, space.NextTid, pid, here => !wrong || Kernel.Kill(here, SIGKILL) != 0);
        AssertUndone(wrong, made, maker, space);
    });

    private static void AssertUndone(bool wrong, Outcome<int> made, FrozenProcess maker, PidSpace space)
    {
        Assert.Equal(!wrong, made.Ok);
        if (wrong)
        {
            Assert.Equal(Errno.EAGAIN, made.Failure!.Errno);
            Assert.Equal([space.Pid], maker.Threads);
            Assert.Equal(-Errno.EAGAIN, (long)maker.ReadRegisters().Value.Rax);
        }
    }

    /// <param name="step">Has the call made, by its number from 0 on: the maker stands in it.</param>
    private static void Run(string kind, int made, int refused, int lost, Action<int, FrozenProcess, ProcessCloneCall, PidSpace, int> step, bool signal = false)
    {
        var (space, listener, area) = Move(kind);
        using var ended = space;
        using var served = listener;
        space.Guest.Send("g");
        var pid = 500_000;
        var calls = 0;
        for (; served.Next() is { } call; calls++)
        {
            if (signal)
            {
                Assert.Equal(0, Kernel.Kill(space.Pid, SIGUSR1));
            }

            if (calls == Calls - 1)
            {
                space.Guest.Send("x");
            }

            using var maker = Stop(space.Pid, area, served, call.Id);
            step(calls, maker, Call(call.Number), space, pid += 2);
        }

        Assert.Equal(Calls, calls);
        space.Guest.Expect($"{made} made, {refused} refused, {lost} lost, {(signal ? Calls : 0)} handled");
        space.Guest.ExpectGoodEnd();
    }

    private static ProcessCloneCall Call(int number) => number switch
    {
        CallNumber.clone => new(number, CLONE_PARENT | CLONE_PARENT_SETTID | CLONE_CHILD_SETTID, WaitsForChild: false),
        57 => new(number, CLONE_PARENT, WaitsForChild: false),
        58 => new(number, CLONE_PARENT | CLONE_VM | CLONE_VFORK, WaitsForChild: true),
        _ => throw new ArgumentOutOfRangeException(nameof(number)),
    };

    private static FrozenProcess Stop(int pid, AgentArea area, Listener listener, ulong call)
    {
        Outcome<FrozenProcess> stopped = FrozenProcess.FreezeThread(pid, pid, new FreezeOptions
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

    private static (PidSpace Space, Listener Listener, AgentArea Area) Move(string kind)
    {
        using var original = Guest.Start("forks", kind);
        original.Expect("ready");
        var space = new PidSpace(original.Pid);
        using var frozen = ThreadFreezeTests.Freeze(original.Pid);
        var image = frozen.Snapshot().Value;
        var begun = RestoringProcess.Begin(space.Pid, image, space.NextTid);
        Assert.True(begun.Ok, begun.ToString());
        Copy.All(original.Pid, image, begun.Value);
        var finished = begun.Value.Finish(new FinishOptions { SeccompProgram = Filters.ForksToListener });
        Assert.True(finished.Ok, finished.ToString());
        Assert.Equal(0, Kernel.Kill(original.Pid, SIGKILL));
        Assert.True(begun.Value.Run().Ok);
        return (space, new Listener(finished.Value!), AgentArea.Of(image));
    }
}
