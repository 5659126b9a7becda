using OpenMosix.Checkpoint.Interop;
using OpenMosix.Checkpoint.Proc;
using OpenMosix.Checkpoint.Restore;

namespace OpenMosix.Checkpoint.Tests.Threads;

/// <summary>The agent's side of the arena: each thread on its own slot, threads made and ended on request.</summary>
public sealed class DeputyThreadTests
{
    private const int SIGUSR1 = 10;

    [RootFact]
    public void Call_OfEverySlot_IsExecutedByItsThread()
    {
        using var guest = Guest.Start("threads", "16");
        guest.Expect("ready");
        using var frozen = ThreadFreezeTests.Freeze(guest.Pid);
        var image = frozen.Snapshot().Value;
        using var deputy = frozen.Deputize(image).Value;
        using (var arena = new ArenaDriver(deputy.Arena, deputy.Area))
        {
            for (var i = 0; i < 10; i++)
            {
                Assert.All(deputy.Threads, thread => Assert.Equal(thread.Tid, arena.Call(thread.Slot, CallNumber.gettid)));
            }

            Assert.All(deputy.Threads, thread => Assert.Equal(0, Kernel.SignalThread(guest.Pid, thread.Tid, SIGUSR1)));
            Assert.All(deputy.Threads, thread =>
            {
                // Its handler is behind the signal when it answers.
                arena.Call(thread.Slot, CallNumber.gettid);
                Assert.Equal(1u, arena.Signals(thread.Slot));
            });
        }

        Assert.All(deputy.Threads, thread => Assert.Equal(image.Threads.Single(each => each.Tid == thread.Tid).Name, Name(guest.Pid, thread.Tid)));
        Assert.True(RestoringProcess.TakeBack(guest.Pid, image).Ok);
    }

    [RootFact]
    public void CloneAndExit_OfADeputysThreads_LeaveTheOthersAlone()
    {
        using var guest = Guest.Start("threads", "8");
        guest.Expect("ready");
        using var frozen = ThreadFreezeTests.Freeze(guest.Pid);
        var image = frozen.Snapshot().Value;
        using var deputy = frozen.Deputize(image).Value;
        using (var arena = new ArenaDriver(deputy.Arena, deputy.Area))
        {
            for (var i = 0; i < 50; i++)
            {
                var slot = 20u + (uint)(i % 4 * 300);
                var tid = arena.Clone(by: (uint)i % 9, slot);
                Assert.InRange(tid, 1, int.MaxValue);
                Assert.Equal(tid, arena.Call(slot, CallNumber.gettid));
                Assert.Equal(10, TaskList.Of(guest.Pid).Count);
                Assert.Equal(0UL, ProcessStatus.Read((int)tid)!.Blocked);
                Assert.Equal(0, Kernel.SignalThread(guest.Pid, (int)tid, SIGUSR1));
                Assert.Equal(tid, arena.Call(slot, CallNumber.gettid));
                Assert.Equal((uint)(i / 4) + 1, arena.Signals(slot));
                arena.Exit(slot);
                GoneFrom(guest.Pid, (int)tid);
            }

            Assert.Equal(-Errno.EINVAL, arena.Call(0, -2, 0x10000, 0, 0)); // CLONE_THREAD alone
            Assert.Equal(guest.Pid, arena.Call(0, CallNumber.gettid));
        }

        Assert.True(RestoringProcess.TakeBack(guest.Pid, image).Ok);
        guest.Send("x");
        guest.ExpectGoodEnd();
    }

    // `gone` is cleared a moment before the thread leaves the list.
    private static void GoneFrom(int pid, int tid)
    {
        while (TaskList.Has(pid, tid))
        {
            Thread.Yield();
        }
    }

    private static string Name(int pid, int tid) => File.ReadAllText($"/proc/{pid}/task/{tid}/comm").TrimEnd('\n');
}
