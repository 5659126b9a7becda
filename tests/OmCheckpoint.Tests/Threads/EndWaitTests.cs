using OpenMosix.Checkpoint.Freeze;
using OpenMosix.Checkpoint.Interop;
using OpenMosix.Checkpoint.Proc;
using OpenMosix.Checkpoint.Tracing;

namespace OpenMosix.Checkpoint.Tests.Threads;

public sealed class EndWaitTests
{
    private const int SIGUSR1 = 10;
    private const int SIGUSR2 = 12;

    [RootTheory]
    [InlineData(true)]
    [InlineData(false)]
    public void EndWait_OfASignalThatOnlyTheMaskLetsThrough_EndsTheCall(bool alone)
    {
        using var guest = Guest.Start("masked");
        guest.Expect("ready");
        var tid = TaskList.Of(guest.Pid)[1];
        for (var i = 0; i < 20; i++)
        {
            GuestState.WaitFor(tid, 'S'); // in its read: what it says is heard before it comes out of its write
            using (var frozen = Stop(guest.Pid, tid, alone))
            {
                Assert.False(frozen.EndWait(0, tid, Unexpected).Value);
                Assert.True(frozen.QueueThreadSignals(tid, [Info(SIGUSR1)]).Ok);
                Assert.False(frozen.EndWait(1UL << (SIGUSR1 - 1), tid, Unexpected).Value);
                var told = false;
                var ended = frozen.EndWait(1UL << (SIGUSR2 - 1), tid, () => told = true);
                Assert.True(told);
                Assert.True(ended.Ok && ended.Value, ended.ToString());
                Assert.DoesNotContain(tid, frozen.Threads);
                guest.Expect("ended");
            }

            Assert.Equal(0, ProcessStatus.Read(tid)!.TracerPid);
        }

        guest.Send("x");
        guest.ExpectGoodEnd();
    }

    [RootFact]
    public void EndWait_OfASignalThatAnotherThreadTook_LeavesTheCall()
    {
        using var guest = Guest.Start("masked");
        guest.Expect("ready");
        GuestState.WaitFor(TaskList.Of(guest.Pid)[1], 'S');
        for (var i = 0; i < 20; i++)
        {
            using var thread = new TracerThread(guest.Pid);
            var ended = thread.Invoke(() =>
            {
                var frozen = ProcessStop.All(guest.Pid, new FreezeOptions(), CancellationToken.None).Value;
                frozen.Agent();
                var went = WaitEnd.WaitUnder(frozen, frozen.Threads[1], 0, Unexpected);
                frozen.LetGo();
                return went;
            });
            Assert.False(ended);
        }

        guest.Send("x");
        guest.ExpectGoodEnd();
    }

    private static FrozenProcess Stop(int pid, int tid, bool alone)
    {
        var stopped = alone ? FrozenProcess.FreezeThread(pid, tid) : FrozenProcess.Freeze(pid);
        Assert.True(stopped.Ok, stopped.ToString());
        return stopped.Value;
    }

    private static byte[] Info(int signal) => [.. BitConverter.GetBytes(signal), .. new byte[Ptrace.SiginfoBytes - sizeof(int)]];

    private static void Unexpected() => Assert.Fail("the thread does not go on");
}
