using Microsoft.Win32.SafeHandles;
using OpenMosix.Checkpoint.Freeze;
using OpenMosix.Checkpoint.Interop;
using OpenMosix.Checkpoint.Proc;
using OpenMosix.Checkpoint.Restore;
using OpenMosix.Checkpoint.Snapshot;
using OpenMosix.Checkpoint.Tests.Restore;
using OpenMosix.Checkpoint.Tracing;
using OpenMosix.Protocol.Image;
using OpenMosix.Protocol.V1;
using ProcessStatus = OpenMosix.Checkpoint.Proc.ProcessStatus;

namespace OpenMosix.Checkpoint.Tests.Threads;

public sealed class ThreadMoveTests
{
    private const int SIGUSR2 = 12; // only the leader takes it
    private const int BlockedByThe8th = 42; // SIGRTMIN + 8 of the C library

    [RootTheory]
    [InlineData("threads", 64)]
    [InlineData("sleepers", 300)]
    public void Restore_OfManyThreads_EachFindsItsOwn(string program, int threads)
    {
        using var original = Guest.Start(program, $"{threads}");
        original.Expect("ready");
        using var space = new PidSpace(original.Pid);
        var image = Move(original, space);
        Assert.Equal(threads + 1, image.Threads.Count);
        space.Guest.Send("x");
        space.Guest.ExpectGoodEnd();
    }

    [RootFact]
    public void Restore_TwiceOver_EachFindsItsOwn()
    {
        using var original = Guest.Start("threads", "32");
        original.Expect("ready");
        using var second = new PidSpace(original.Pid);
        var first = Move(original, second);
        using var third = new PidSpace(original.Pid);
        using (var frozen = FrozenProcess.Freeze(second.Pid, new FreezeOptions { AgentArea = AgentArea.Of(first) }).Value)
        {
            var image = frozen.Snapshot(new SnapshotOptions { Remote = true, HomePid = first.Pid });
            Assert.True(image.Ok, image.ToString());
            Assert.Equal(first.Threads.Select(thread => thread.Tid), image.Value.Threads.Select(thread => thread.Tid));
            Assert.Equal(first.Threads.Select(thread => thread.Name), image.Value.Threads.Select(thread => thread.Name));
            Restore(second.Pid, image.Value, third);
            Assert.Equal(0, Kernel.Kill(second.Pid, 9));
        }

        third.Guest.Send("x");
        third.Guest.ExpectGoodEnd();
    }

    [RootFact]
    public void Finish_WithAFilter_PutsEveryThreadUnderIt()
    {
        using var original = Guest.Start("threads", "16");
        original.Expect("ready");
        using var space = new PidSpace(original.Pid);
        SafeFileHandle? listener = null;
        Move(original, space, new FinishOptions { SeccompProgram = Filters.AllowAll }, handle => listener = handle);
        using (listener)
        {
            Assert.Equal(17, TaskList.Of(space.Pid).Count);
            Assert.All(TaskList.Of(space.Pid), tid => Assert.Equal(2, ProcessStatus.Read(tid)!.Seccomp));
        }

        space.Guest.Send("x");
        space.Guest.ExpectGoodEnd();
    }

    [RootFact]
    public void Begin_WhereTheTidsAreNotToBeHad_EndsTheChild()
    {
        using var original = Guest.Start("threads", "8");
        original.Expect("ready");
        using var space = new PidSpace(original.Pid);
        using (var frozen = ThreadFreezeTests.Freeze(original.Pid))
        {
            var begun = RestoringProcess.Begin(space.Pid, frozen.Snapshot().Value, _ => { });
            Assert.Equal(Errno.EAGAIN, begun.Failure?.Errno);
            space.Guest.Reap();
        }

        original.Send("x");
        original.ExpectGoodEnd();
    }

    [RootFact]
    public void TakeBack_OfManyThreads_NoneNotices()
    {
        using var guest = Guest.Start("threads", "64");
        guest.Expect("ready");
        var before = MemoryMap.Read(guest.Pid).Select(area => area.ToString()).ToList();
        for (var i = 0; i < 20; i++)
        {
            using var deputy = Deputize(guest.Pid, out var image);
            Assert.Equal(image.Threads.Select(thread => new DeputyThread(thread.Slot, thread.Tid)), deputy.Threads);
            Assert.True(deputy.Slots >= 65);
            var back = RestoringProcess.TakeBack(guest.Pid, image);
            Assert.True(back.Ok, back.ToString());
        }

        Assert.Equal(before, MemoryMap.Read(guest.Pid).Select(area => area.ToString()));
        guest.Send("x");
        guest.ExpectGoodEnd();
    }

    [RootFact]
    public void TakeBack_AfterMoreSignalsThanARingHolds_BringsThemAll()
    {
        using var guest = Guest.Start("threads", "8");
        guest.Expect("ready");
        var pid = guest.Pid;
        using var deputy = Deputize(pid, out var image);
        var computes = image.Threads[8];
        const int Count = 50;
        for (var i = 0; i < Count; i++)
        {
            Assert.Equal(0, Kernel.SignalThread(pid, computes.Tid, BlockedByThe8th));
        }

        // It has as many as its ring holds, and one in hand; the others wait.
        var head = new byte[sizeof(uint)];
        do
        {
            Assert.Equal(0, RemoteMemory.Read(pid, deputy.Area.Slot(computes.Slot) + AgentAbi.SlotSignalHead, head, out _));
        }
        while (BitConverter.ToUInt32(head) < AgentAbi.SignalRing);
        GuestState.WaitFor(computes.Tid, 'S');
        var back = RestoringProcess.TakeBack(pid, image);
        Assert.True(back.Ok, back.ToString());
        using (var frozen = FrozenProcess.Freeze(pid).Value)
        {
            Assert.Equal(Count, frozen.PendingSignals(computes.Tid).Value.Count);
        }

        guest.Send("x");
        guest.ExpectGoodEnd();
    }

    [RootFact]
    public void TakeBack_AfterSignalsForTheProcessAndOneThread_LeavesEachWhereItBelongs()
    {
        using var guest = Guest.Start("threads", "8");
        guest.Expect("ready");
        using var deputy = Deputize(guest.Pid, out var image);
        var computes = image.Threads[8];
        byte[] ofThread = [.. BitConverter.GetBytes(BlockedByThe8th), .. new byte[124]];
        BitConverter.TryWriteBytes(ofThread.AsSpan(8), -6); // SI_TKILL
        byte[] ofProcess = [.. BitConverter.GetBytes(SIGUSR2), .. new byte[124]];
        var options = new FinishOptions { Signals = new Dictionary<uint, IReadOnlyList<byte[]>> { [computes.Slot] = [ofThread, ofProcess] } };
        var deputies = TaskList.Of(guest.Pid);
        Assert.True(RestoringProcess.TakeBack(guest.Pid, image, options).Ok);
        Assert.Equal(1UL << (BlockedByThe8th - 1), ProcessStatus.Read(computes.Tid)!.ThreadPending);
        Assert.Equal(deputies, TaskList.Of(guest.Pid));
        guest.Send("x");
        guest.ExpectGoodEnd();
    }

    [RootFact]
    public void BeginReturn_OfABodyWithAnotherThread_FailsAndLeavesTheDeputy()
    {
        using var guest = Guest.Start("threads", "8");
        guest.Expect("ready");
        using var deputy = Deputize(guest.Pid, out var image);
        var changed = image.Clone();
        changed.Threads[5].Tid = 1;
        Assert.False(RestoringProcess.BeginReturn(guest.Pid, changed).Ok);
        Assert.False(RestoringProcess.TakeBack(guest.Pid, changed).Ok);
        Assert.True(RestoringProcess.TakeBack(guest.Pid, image).Ok);
        guest.Send("x");
        guest.ExpectGoodEnd();
    }

    [RootFact]
    public void Return_OfManyThreadsThatLivedElsewhere_AreNativeAgain()
    {
        using var home = Guest.Start("threads", "64");
        home.Expect("ready");
        for (var i = 0; i < 3; i++)
        {
            using var space = new PidSpace(home.Pid);
            var frozen = ThreadFreezeTests.Freeze(home.Pid);
            var image = Sent(frozen.Snapshot());
            var away = Begin(home.Pid, image, space);
            Assert.True(away.Finish().Ok);
            using var deputy = frozen.Deputize(image).Value;
            frozen.Dispose();
            Assert.True(away.Run().Ok);

            var remote = FrozenProcess.Freeze(space.Pid, new FreezeOptions { AgentArea = deputy.Area }).Value;
            var returning = Sent(remote.Snapshot(new SnapshotOptions { Remote = true, HomePid = home.Pid }));
            if (i == 1)
            {
                AbortReturn(home.Pid, returning, space.Pid);
            }

            var begun = RestoringProcess.BeginReturn(home.Pid, returning);
            Assert.True(begun.Ok, begun.ToString());
            Copy.All(space.Pid, returning, begun.Value);
            var finished = begun.Value.Finish();
            Assert.True(finished.Ok, finished.ToString());
            Assert.Equal(0, Kernel.Kill(space.Pid, 9));
            remote.Dispose();
            var run = begun.Value.Run();
            Assert.True(run.Ok, run.ToString());
            Assert.DoesNotContain(MemoryMap.Read(home.Pid), area => area.Overlaps(deputy.Area.Base.Value, deputy.Area.End.Value));
        }

        home.Send("x");
        home.ExpectGoodEnd();
    }

    /// <summary>Behind Finish the deputy's threads are made deputies once more.</summary>
    private static void AbortReturn(int home, ProcessImage image, int remote)
    {
        using var begun = RestoringProcess.BeginReturn(home, image).Value;
        Copy.All(remote, image, begun);
        Assert.True(begun.Finish().Ok);
        begun.Abort();
        Assert.All(TaskList.Of(home), tid => GuestState.WaitFor(tid, 'S'));
    }

    private static DeputyProcess Deputize(int pid, out ProcessImage image)
    {
        using var frozen = ThreadFreezeTests.Freeze(pid);
        image = Sent(frozen.Snapshot());
        var deputy = frozen.Deputize(image);
        Assert.True(deputy.Ok, deputy.ToString());
        return deputy.Value;
    }

    /// <summary>The original is gone afterwards.</summary>
    private static ProcessImage Move(Guest original, PidSpace space, FinishOptions? options = null, Action<SafeFileHandle?>? listener = null)
    {
        using var frozen = ThreadFreezeTests.Freeze(original.Pid);
        var image = Sent(frozen.Snapshot());
        Restore(original.Pid, image, space, options, listener);
        Assert.Equal(0, Kernel.Kill(original.Pid, 9));
        return image;
    }

    private static void Restore(int from, ProcessImage image, PidSpace space, FinishOptions? options = null, Action<SafeFileHandle?>? listener = null)
    {
        var begun = Begin(from, image, space);
        Assert.Equal(image.Threads.Select(thread => (thread.Tid, thread.Slot)), begun.Threads.Select(thread => (thread.Tid, thread.Slot)));
        Assert.Equal(TaskList.Of(space.Pid).Order(), begun.Threads.Select(thread => thread.HostTid).Order());
        var finished = begun.Finish(options);
        Assert.True(finished.Ok, finished.ToString());
        listener?.Invoke(finished.Value);
        var run = begun.Run();
        Assert.True(run.Ok, run.ToString());
    }

    private static RestoringProcess Begin(int from, ProcessImage image, PidSpace space)
    {
        var begun = RestoringProcess.Begin(space.Pid, image, space.NextTid);
        Assert.True(begun.Ok, begun.ToString());
        Copy.All(from, image, begun.Value);
        return begun.Value;
    }

    /// <summary>Over the wire and back, as everywhere.</summary>
    private static ProcessImage Sent(Protocol.Errors.Outcome<ProcessImage> snapshot)
    {
        Assert.True(snapshot.Ok, snapshot.ToString());
        var image = ProcessImage.Parser.ParseFrom(Google.Protobuf.MessageExtensions.ToByteArray(snapshot.Value));
        Assert.Null(ImageValidation.Check(image));
        return image;
    }
}
