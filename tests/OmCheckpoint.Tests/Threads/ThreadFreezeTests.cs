using OpenMosix.Checkpoint.Freeze;
using OpenMosix.Checkpoint.Interop;
using OpenMosix.Checkpoint.Proc;
using OpenMosix.Checkpoint.Tests.Restore;

namespace OpenMosix.Checkpoint.Tests.Threads;

public sealed class ThreadFreezeTests
{
    private const int Threads = 64;
    private const int SIGUSR1 = 10;
    private const int SIGUSR2 = 12; // only the leader takes it

    [RootFact]
    public void FreezeThaw_OfManyThreads_NoneNotices()
    {
        using var guest = Guest.Start("threads", $"{Threads}");
        guest.Expect("ready");
        for (var i = 0; i < 100; i++)
        {
            using var frozen = Freeze(guest.Pid);
            Assert.Equal(TaskList.Of(guest.Pid), frozen.Threads);
            Assert.Equal(Threads + 1, frozen.Threads.Count);
            Assert.All(frozen.Threads, tid => Assert.Equal('t', StateOf(tid)));
            if (i % 2 == 0)
            {
                ExecuteInEach(frozen);
            }

            var thawed = frozen.Thaw();
            Assert.True(thawed.Ok, thawed.ToString());
        }

        guest.Send("x");
        guest.ExpectGoodEnd();
    }

    [RootFact]
    public void Snapshot_OfManyThreads_DescribesEachAndIsNotNoticed()
    {
        using var guest = Guest.Start("threads", $"{Threads}");
        guest.Expect("ready");
        for (var i = 0; i < 20; i++)
        {
            using var frozen = Freeze(guest.Pid);
            var outcome = frozen.Snapshot();
            Assert.True(outcome.Ok, outcome.ToString());
            var image = outcome.Value;
            Assert.Null(Protocol.Image.ImageValidation.Check(image));
            Assert.Equal(frozen.Threads, image.Threads.Select(thread => thread.Tid));
            Assert.Equal(Enumerable.Range(0, Threads + 1), image.Threads.Select(thread => (int)thread.Slot));
            Assert.Equal(
                Enumerable.Range(0, Threads).Select(index => $"worker {index}\\").Order(),
                image.Threads.Skip(1).Select(thread => thread.Name).Order());
            Assert.Equal(Threads / 2, image.Threads.Count(thread => thread.Nice == 3));
            Assert.Equal(Threads, image.Threads.Skip(1).Select(thread => thread.AltstackAddress).Distinct().Count());
            Assert.Equal(Threads + 1, image.Threads.Select(thread => thread.RseqAddress).Distinct().Count());
        }

        guest.Send("x");
        guest.ExpectGoodEnd();
    }

    [RootFact]
    public void Freeze_WhileThreadsComeAndGo_LosesNone()
    {
        using var guest = Guest.Start("churn", "8");
        guest.Expect("ready");
        for (var i = 0; i < 200; i++)
        {
            using var frozen = Freeze(guest.Pid);
            Assert.Equal(TaskList.Of(guest.Pid), frozen.Threads);
            if (i % 4 == 0)
            {
                var image = frozen.Snapshot();
                Assert.True(image.Ok, image.ToString());
            }
        }

        guest.Send("x");
        guest.ExpectGoodEnd();
    }

    [RootFact]
    public void Freeze_OfAStoppedProcess_StaysStopped()
    {
        using var guest = Guest.Start("threads", "8");
        guest.Expect("ready");
        Assert.Equal(0, Kernel.Kill(guest.Pid, 19));
        GuestState.WaitFor(guest.Pid, 'T');
        for (var i = 0; i < 20; i++)
        {
            using var frozen = Freeze(guest.Pid);
            Assert.True(frozen.IsStopped);
            ExecuteInEach(frozen);
            var thawed = frozen.Thaw();
            Assert.True(thawed.Ok, thawed.ToString());
            Assert.All(TaskList.Of(guest.Pid), tid => GuestState.WaitFor(tid, 'T'));
        }

        Assert.Equal(0, Kernel.Kill(guest.Pid, 18));
        guest.Send("x");
        guest.ExpectGoodEnd();
    }

    [RootFact]
    public void Freeze_OfAProcessThatEnds_FailsByName()
    {
        for (var i = 0; i < 20; i++)
        {
            // Not a child of ours: its end would be the tracer's to hear.
            var program = Path.Combine(Guest.Programs, "threads");
            using var guest = Guest.Start("/bin/sh", "-c", $"exec 3<&0; sh -c 'echo $$; exec {program} 16' <&3 & wait $!");
            var pid = int.Parse(guest.ReadLine()!, System.Globalization.CultureInfo.InvariantCulture);
            guest.Expect("ready");
            guest.Send("x");
            var outcome = FrozenProcess.Freeze(pid);
            if (outcome.Ok)
            {
                outcome.Value.Dispose();
            }
            else
            {
                Assert.True(outcome.Failure is { Errno: Errno.ESRCH or Errno.EBUSY } or { Refusal.Name: "leader-exited" }, outcome.ToString());
            }

            guest.ExpectGoodEnd();
        }
    }

    [RootFact]
    public void FreezeThread_OfOne_LeavesTheOthersRunning()
    {
        using var guest = Guest.Start("threads", "16");
        guest.Expect("ready");
        foreach (var tid in TaskList.Of(guest.Pid))
        {
            var outcome = FrozenProcess.FreezeThread(guest.Pid, tid);
            Assert.True(outcome.Ok, outcome.ToString());
            using var frozen = outcome.Value;
            Assert.Equal([tid], frozen.Threads);
            Assert.Equal('t', StateOf(tid));
            Assert.Equal(tid, Execute(frozen, CallNumber.gettid, tid));
            Assert.DoesNotContain('t', TaskList.Of(guest.Pid).Where(other => other != tid).Select(StateOf));
        }

        Assert.Equal(Errno.ESRCH, FrozenProcess.FreezeThread(guest.Pid, Environment.ProcessId).Failure?.Errno);
        guest.Send("x");
        guest.ExpectGoodEnd();
    }

    [RootFact]
    public void QueueSignals_ForAThreadAndForTheProcess_WaitWhereTheyBelong()
    {
        using var guest = Guest.Start("threads", "8");
        guest.Expect("ready");
        using (var frozen = Freeze(guest.Pid))
        {
            var tid = frozen.Threads[8]; // computes: no signal disturbs it
            byte[] info = [.. BitConverter.GetBytes(SIGUSR1), .. new byte[124]]; // SI_USER
            Assert.True(frozen.QueueThreadSignals(tid, [info]).Ok);
            Assert.Equal(1UL << (SIGUSR1 - 1), ProcessStatus.Read(tid)!.ThreadPending);
            Assert.Equal(0UL, ProcessStatus.Read(guest.Pid)!.SharedPending);
            BitConverter.TryWriteBytes(info, SIGUSR2);
            Assert.True(frozen.QueueSignals([info]).Ok);
            Assert.Equal(1UL << (SIGUSR2 - 1), ProcessStatus.Read(guest.Pid)!.SharedPending);
            Assert.Equal(2, frozen.PendingSignals(tid).Value.Count);
            Assert.Single(frozen.PendingSignals().Value);
        }

        using (var other = FrozenProcess.FreezeThread(guest.Pid, TaskList.Of(guest.Pid)[1]).Value)
        {
            Assert.Throws<InvalidOperationException>(() => other.QueueSignals([new byte[128]]));
            Assert.Throws<InvalidOperationException>(() => other.Snapshot());
        }

        guest.Send("x");
        guest.ExpectGoodEnd();
    }

    [RootFact]
    public void Interrupted_OfManyThreads_IsCalledOnceWithAll()
    {
        using var guest = Guest.Start("threads", "32");
        guest.Expect("ready");
        var calls = new List<IReadOnlyList<int>>();
        var asked = new List<int>();
        var options = new FreezeOptions
        {
            Interrupted = tids =>
            {
                calls.Add(tids);
                return new(null, tid =>
                {
                    asked.Add(tid);
                    return new CallEnd(Answered: true);
                });
            },
        };
        using (var frozen = FrozenProcess.Freeze(guest.Pid, options).Value)
        {
            Assert.Equal(frozen.Threads, Assert.Single(calls));
            Assert.Equal(frozen.Threads, asked);
        }

        Assert.Equal(Errno.EBUSY, FrozenProcess.Freeze(guest.Pid, options with { Interrupted = _ => new("no") }).Failure?.Errno);
        guest.Send("x");
        guest.ExpectGoodEnd();
    }

    [RootFact]
    public void HeldStill_OfManyThreads_HoldsAllAndLetsAllGo()
    {
        using var guest = Guest.Start("threads", "32");
        guest.Expect("ready");
        for (var i = 0; i < 50; i++)
        {
            using var held = HeldStill.Hold(guest.Pid);
            Assert.NotNull(held);
            Assert.All(TaskList.Of(guest.Pid), tid => GuestState.WaitFor(tid, 't'));
        }

        guest.Send("x");
        guest.ExpectGoodEnd();
    }

    internal static FrozenProcess Freeze(int pid)
    {
        var outcome = FrozenProcess.Freeze(pid);
        Assert.True(outcome.Ok, outcome.ToString());
        return outcome.Value;
    }

    private static void ExecuteInEach(FrozenProcess frozen) =>
        Assert.All(frozen.Threads, tid => Assert.Equal(tid, Execute(frozen, CallNumber.gettid, tid)));

    private static long Execute(FrozenProcess frozen, int call, int tid)
    {
        var batch = frozen.NewBatch().Value;
        var index = batch.Add(call);
        var outcome = frozen.Execute(batch, tid);
        Assert.True(outcome.Ok, outcome.ToString());
        return outcome.Value[index];
    }

    private static char StateOf(int tid) => ProcessStatus.Read(tid)?.State ?? 'X';
}
