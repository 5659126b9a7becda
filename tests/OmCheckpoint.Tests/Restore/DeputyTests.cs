using System.Globalization;
using OpenMosix.Checkpoint.Freeze;
using OpenMosix.Checkpoint.Interop;
using OpenMosix.Checkpoint.Proc;
using OpenMosix.Checkpoint.Restore;
using OpenMosix.Protocol.V1;

namespace OpenMosix.Checkpoint.Tests.Restore;

public sealed class DeputyTests
{
    private const int SIGUSR1 = 10;

    [RootFact]
    public void TakeBack_OfADeputyWhoseBodyNeverRan_FindsEverything()
    {
        using var guest = Guest.Start("body", "an argument");
        guest.Expect("ready");
        var before = MemoryMap.Read(guest.Pid).Select(area => area.ToString()).ToList();
        var descriptors = Descriptors(guest.Pid);
        for (var i = 0; i < 20; i++)
        {
            var (image, deputy) = Deputize(guest.Pid);
            deputy.Dispose();
            Assert.Equal(descriptors, Descriptors(guest.Pid));
            var back = RestoringProcess.TakeBack(guest.Pid, image);
            Assert.True(back.Ok, back.ToString());
        }

        Assert.Equal(before, MemoryMap.Read(guest.Pid).Select(area => area.ToString()));
        Assert.Equal(0, Signal.Queue(guest.Pid, SIGUSR1, 4711));
        guest.ExpectGoodEnd();
    }

    [RootFact]
    public void TakeBack_AfterASignalForTheDeputy_DeliversItOnce()
    {
        using var guest = Guest.Start("body", "an argument");
        guest.Expect("ready");
        var (image, deputy) = Deputize(guest.Pid);
        deputy.Dispose();
        // The deputy's handler takes it, or is about to: either way it is the body's.
        Assert.Equal(0, Signal.Queue(guest.Pid, SIGUSR1, 4711));
        Assert.True(RestoringProcess.TakeBack(guest.Pid, image).Ok);
        guest.ExpectGoodEnd();
    }

    [RootFact]
    public void TakeBack_WithSignalsOfTimersThatAreNoMore_LosesNoOther()
    {
        using var guest = Guest.Start("stale");
        guest.Expect("ready");
        for (var i = 0; i < 3; i++)
        {
            var (image, deputy) = Deputize(guest.Pid);
            deputy.Dispose();
            var back = RestoringProcess.TakeBack(guest.Pid, image);
            Assert.True(back.Ok, back.ToString());
        }

        guest.Send("x");
        guest.ExpectGoodEnd();
    }

    [RootFact]
    public void TakeBack_WhenWhatBreaksOffACallComesLate_TheBodyHasNoneOfIt()
    {
        const int SIGCONT = 18, SIGSTOP = 19, OM_CANCEL_SIGNAL = 33;
        using var guest = Guest.Start("body", "an argument");
        guest.Expect("ready");
        var (image, deputy) = Deputize(guest.Pid);
        deputy.Dispose();
        // It comes so late because the deputy does not get to run.
        Assert.Equal(0, Kernel.Kill(guest.Pid, SIGSTOP));
        GuestState.WaitFor(guest.Pid, 'T');
        Assert.Equal(0, Signal.Queue(guest.Pid, guest.Pid, OM_CANCEL_SIGNAL, -AgentAbi.CancelCode));
        Assert.Equal(0, Signal.Queue(guest.Pid, SIGUSR1, 4711));
        var back = RestoringProcess.TakeBack(guest.Pid, image);
        Assert.True(back.Ok, back.ToString());
        Assert.Equal(0, Kernel.Kill(guest.Pid, SIGCONT));
        guest.ExpectGoodEnd();
    }

    [RootTheory]
    [InlineData("sleep")]
    [InlineData("sleep-rmtp")]
    [InlineData("clock-sleep")]
    [InlineData("poll")]
    [InlineData("epoll")]
    [InlineData("epoll-pwait2")]
    [InlineData("sigtimedwait-info")]
    [InlineData("select")]
    [InlineData("futex")]
    [InlineData("timerfd")]
    [InlineData("calls")]
    [InlineData("read-forever")]
    public void TakeBack_WhileItWaits_NoticesNothing(string kind)
    {
        using var guest = Guest.Start("waits", kind);
        guest.Expect("ready");
        for (var i = 0; i < 30; i++)
        {
            var (image, deputy) = Deputize(guest.Pid);
            deputy.Dispose();
            var back = RestoringProcess.TakeBack(guest.Pid, image);
            Assert.True(back.Ok, back.ToString());
        }

        guest.Send("x");
        guest.ExpectGoodEnd();
    }

    [RootFact]
    public void Return_OfABodyThatLivedElsewhere_IsNativeAgain()
    {
        using var home = Guest.Start("body", "an argument");
        home.Expect("ready");
        var descriptors = Descriptors(home.Pid);
        using var blank = Guest.Start("blank");
        blank.Expect("blank");

        // Away...
        var frozen = FrozenProcess.Freeze(home.Pid).Value;
        var image = frozen.Snapshot().Value;
        var away = RestoringProcess.Begin(blank.Pid, image).Value;
        Copy.All(home.Pid, image, away);
        Assert.True(away.Finish().Ok);
        using var deputy = frozen.Deputize(image).Value;
        frozen.Dispose();
        Assert.True(away.Run().Ok);

        // ... and back: the skeleton is emptied first, so that what is found later has come with the body.
        var remote = FrozenProcess.Freeze(blank.Pid, new FreezeOptions { AgentArea = deputy.Area }).Value;
        var returning = remote.Snapshot(new Checkpoint.Snapshot.SnapshotOptions { Remote = true, HomePid = home.Pid }).Value;
        Assert.Equal(image.Files.Select(file => (file.Device, file.Inode)).Order(), returning.Files.Select(file => (file.Device, file.Inode)).Order());
        var begun = RestoringProcess.BeginReturn(home.Pid, returning);
        Assert.True(begun.Ok, begun.ToString());
        Assert.All(begun.Value.FileBases, start => Assert.Equal(0UL, start));
        Copy.All(blank.Pid, returning, begun.Value);
        var finished = begun.Value.Finish();
        Assert.True(finished.Ok, finished.ToString());
        Assert.Equal(0, Kernel.Kill(blank.Pid, 9));
        remote.Dispose();
        var run = begun.Value.Run();
        Assert.True(run.Ok, run.ToString());

        Assert.Equal(descriptors, Descriptors(home.Pid));
        Assert.DoesNotContain(MemoryMap.Read(home.Pid), area => area.Overlaps(image.AgentArea, deputy.Area.End.Value));
        Assert.Equal(0, Signal.Queue(home.Pid, SIGUSR1, 4711));
        home.ExpectGoodEnd();
    }

    [RootFact]
    public void Return_Aborted_LeavesADeputyWithoutDescriptorsOfOurs()
    {
        using var guest = Guest.Start("waits", "read-forever");
        guest.Expect("ready");
        var descriptors = Descriptors(guest.Pid);
        var (image, deputy) = Deputize(guest.Pid);
        using (deputy)
        {
            // A file the skeleton does not show: it comes along in a memfd.
            var changed = image.Clone();
            changed.Files[0].Inode += 1;
            using (var begun = RestoringProcess.BeginReturn(guest.Pid, changed).Value)
            {
                Assert.NotEqual(0UL, begun.FileBases[0]);
            }

            Assert.Equal(descriptors, Descriptors(guest.Pid));
            GuestState.WaitFor(guest.Pid, 'S');
        }
    }

    [RootFact]
    public void TakeBack_OfADeputyThatWasKilled_FailsByName()
    {
        using var guest = Guest.Start("waits", "read-forever");
        guest.Expect("ready");
        var (image, deputy) = Deputize(guest.Pid);
        deputy.Dispose();
        Assert.Equal(0, Kernel.Kill(guest.Pid, 9));
        guest.Reap();
        var back = RestoringProcess.TakeBack(guest.Pid, image);
        Assert.Equal(Errno.ESRCH, back.Failure?.Errno);
    }

    private static (ProcessImage Image, DeputyProcess Deputy) Deputize(int pid)
    {
        using var frozen = FrozenProcess.Freeze(pid).Value;
        var image = frozen.Snapshot();
        Assert.True(image.Ok, image.ToString());
        var deputy = frozen.Deputize(image.Value);
        Assert.True(deputy.Ok, deputy.ToString());
        return (image.Value, deputy.Value);
    }

    private static List<string> Descriptors(int pid) =>
        [.. Directory.GetFileSystemEntries(string.Create(CultureInfo.InvariantCulture, $"/proc/{pid}/fd")).Select(path => Path.GetFileName(path)!).Order()];
}
