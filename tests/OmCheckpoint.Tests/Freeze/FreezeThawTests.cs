using OpenMosix.Checkpoint.Freeze;
using OpenMosix.Checkpoint.Interop;
using OpenMosix.Checkpoint.Proc;

namespace OpenMosix.Checkpoint.Tests.Freeze;

public sealed class FreezeThawTests
{
    private const int FreezesAtLeast = 150;
    private const int WaitsAtLeast = 3;
    private const int FreezesAtMost = 20_000;

    [RootTheory]
    [InlineData("sleep")]
    [InlineData("sleep-rmtp")]
    [InlineData("clock-sleep")]
    [InlineData("sleep-until")]
    [InlineData("poll")]
    [InlineData("select")]
    [InlineData("epoll")]
    [InlineData("epoll-pwait2")]
    [InlineData("sigtimedwait-info")]
    [InlineData("futex")]
    [InlineData("timerfd")]
    [InlineData("compute")]
    [InlineData("calls")]
    public void FreezeThaw_WhileItWaitsForATime_NoticesNothing(string kind)
    {
        using var guest = Guest.Start("waits", kind);
        guest.Expect("ready");
        int waits = 0, freezes = 0;
        var line = guest.ReadLineAsync();
        // Were a wait begun anew by every thaw, it would never end while this goes on.
        // What computes has to be given a CPU for every stop: fewer of those.
        var atLeast = kind is "compute" or "calls" ? FreezesAtLeast / 5 : FreezesAtLeast;
        while ((freezes < atLeast || waits < WaitsAtLeast) && freezes < FreezesAtMost)
        {
            FreezeAndThaw(guest.Pid, withBatch: freezes % 2 == 0);
            freezes++;
            if (line.IsCompleted)
            {
                Assert.Equal("waited", line.Result);
                waits++;
                line = guest.ReadLineAsync();
            }
        }

        guest.Send("x");
        if (line.GetAwaiter().GetResult() != "ok")
        {
            guest.ExpectGoodEnd();
        }

        Assert.InRange(waits, WaitsAtLeast, int.MaxValue);
    }

    [RootTheory]
    [InlineData("read-forever")]
    [InlineData("poll-forever")]
    [InlineData("epoll-forever")]
    [InlineData("select-forever")]
    [InlineData("sigtimedwait")]
    [InlineData("semtimedop")]
    public void FreezeThaw_WhileItWaits_CallIsIssuedAgain(string kind)
    {
        using var guest = Guest.Start("waits", kind);
        guest.Expect("ready");
        for (var i = 0; i < FreezesAtLeast; i++)
        {
            FreezeAndThaw(guest.Pid, withBatch: i % 2 == 0);
        }

        guest.Send("x");
        guest.ExpectGoodEnd();
    }

    [RootFact]
    public void Thaw_OfAStoppedProcess_StaysStopped()
    {
        using var guest = Guest.Start("waits", "sleep-rmtp");
        guest.Expect("ready");
        Assert.Equal(0, Kernel.Kill(guest.Pid, 19));
        GuestState.WaitFor(guest.Pid, 'T');
        for (var i = 0; i < FreezesAtLeast; i++)
        {
            FreezeAndThaw(guest.Pid, withBatch: i % 2 == 0, stopped: true);
            GuestState.WaitFor(guest.Pid, 'T');
        }

        Assert.Equal(0, Kernel.Kill(guest.Pid, 18));
        guest.Send("x");
        guest.ExpectGoodEnd();
    }

    [RootFact]
    public void Freeze_WhileSigstopAndSigcontArrive_LosesNeither()
    {
        using var guest = Guest.Start("waits", "read-forever");
        guest.Expect("ready");
        using (var frozen = FrozenProcess.Freeze(guest.Pid).Value)
        {
            Assert.Equal(0, Kernel.Kill(guest.Pid, 19));
            Execute(frozen);
        }

        GuestState.WaitFor(guest.Pid, 'T');
        using (var frozen = FrozenProcess.Freeze(guest.Pid).Value)
        {
            Assert.True(frozen.IsStopped);
            Assert.Equal(0, Kernel.Kill(guest.Pid, 18));
            Execute(frozen);
        }

        guest.Send("x");
        guest.ExpectGoodEnd();
    }

    [RootFact]
    public void PendingSignals_WhileSignalsComeForTheTracer_AreAllThere()
    {
        const int Signal = 44; // WakeUp has a handler for it
        const int Waiting = 300;
        const int Peeks = 1500;
        const int LongestDelay = 1000; // in turns of SpinWait
        using var guest = Guest.Start("waits", "read-forever");
        guest.Expect("ready");
        using var frozen = FrozenProcess.Freeze(guest.Pid).Value;
        for (var i = 0; i < Waiting; i++)
        {
            Assert.Equal(0, Restore.Signal.Queue(guest.Pid, Signal, i));
        }

        var tracer = TaskList.Of(Environment.ProcessId).Single(tid => ProcFile.Read($"/proc/{tid}/comm") == $"tracer {guest.Pid}\n");
        var (asked, answered) = (0, 0);
        var signals = Task.Factory.StartNew(
            () =>
            {
                // One for each time it is asked: more, and the tracer would do nothing but receive them.
                for (var sent = 0; sent < Peeks; sent++)
                {
                    SpinWait.SpinUntil(() => Volatile.Read(ref asked) > sent);
                    Thread.SpinWait(sent % LongestDelay);
                    _ = Kernel.SignalThread(Environment.ProcessId, tracer, Signal);
                    Volatile.Write(ref answered, sent + 1);
                }
            }, TaskCreationOptions.LongRunning);
        var lacking = 0;
        for (var i = 0; i < Peeks; i++)
        {
            Volatile.Write(ref asked, i + 1);
            lacking += frozen.PendingSignals().Value.Count == Waiting ? 0 : 1;
            SpinWait.SpinUntil(() => Volatile.Read(ref answered) > i);
        }

        signals.Wait();
        Assert.Equal(0, Kernel.Kill(guest.Pid, 9)); // they would end it, too
        Assert.Equal(0, lacking);
    }

    [RootFact]
    public void MakeCall_WhileASignalWaitsThatIsOpen_LosesNeither()
    {
        const ulong kill = 62;
        const int SIGUSR1 = 10;
        const int SIGUSR2 = 12;
        using var guest = Guest.Start("waits", "read-forever");
        guest.Expect("ready");
        using var frozen = FrozenProcess.Freeze(guest.Pid).Value;
        Assert.Equal(0, Kernel.Kill(guest.Pid, SIGUSR2));
        var registers = frozen.ReadRegisters().Value;
        var call = registers with { OrigRax = kill, Rax = unchecked((ulong)-Errno.ERESTARTNOINTR), Rdi = (ulong)guest.Pid, Rsi = SIGUSR1 };
        Assert.True(frozen.WriteRegisters(call).Ok);
        var made = frozen.MakeCall();
        Assert.True(made.Ok, made.ToString());
        Assert.Equal(0, made.Value);
        Assert.Equal([SIGUSR1, SIGUSR2], frozen.PendingSignals().Value.Select(info => BitConverter.ToInt32(info)).Order());
        Assert.Equal(0, Kernel.Kill(guest.Pid, 9)); // they would end it, too
    }

    [RootFact]
    public void Freeze_OfAProcessThatIsNotThere_Fails()
    {
        var outcome = FrozenProcess.Freeze(int.MaxValue);
        Assert.False(outcome.Ok);
        Assert.Equal(Errno.ESRCH, outcome.Failure.Errno);
    }

    [RootFact]
    public void Freeze_KilledMeanwhile_FailsByName()
    {
        using var guest = Guest.Start("waits", "read-forever");
        guest.Expect("ready");
        using var frozen = FrozenProcess.Freeze(guest.Pid).Value;
        Assert.Equal(0, Kernel.Kill(guest.Pid, 9));
        var outcome = frozen.Thaw();
        Assert.False(outcome.Ok);
        Assert.Equal(Errno.ESRCH, outcome.Failure.Errno);
    }

    private static void FreezeAndThaw(int pid, bool withBatch, bool stopped = false)
    {
        var outcome = FrozenProcess.Freeze(pid);
        Assert.True(outcome.Ok, outcome.ToString());
        using var frozen = outcome.Value;
        Assert.Equal(stopped, frozen.IsStopped);
        if (withBatch)
        {
            Execute(frozen);
        }

        var thawed = frozen.Thaw();
        Assert.True(thawed.Ok, thawed.ToString());
    }

    private static void Execute(FrozenProcess frozen)
    {
        var batch = frozen.NewBatch().Value;
        var index = batch.Add(CallNumber.getpid);
        var outcome = frozen.Execute(batch);
        Assert.True(outcome.Ok, outcome.ToString());
        Assert.Equal(frozen.Pid, outcome.Value[index]);
    }
}
