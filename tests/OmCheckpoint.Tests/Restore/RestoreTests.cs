using OpenMosix.Checkpoint.Freeze;
using OpenMosix.Checkpoint.Interop;
using OpenMosix.Checkpoint.Restore;
using OpenMosix.Protocol.Image;
using OpenMosix.Protocol.V1;

namespace OpenMosix.Checkpoint.Tests.Restore;

public sealed class RestoreTests
{
    [RootFact]
    public void Restore_OfABodyWithOneOfEverything_FindsAllOfIt()
    {
        using var original = Guest.Start("body", "an argument");
        original.Expect("ready");
        using var copy = Move(original.Pid);
        Assert.Equal(0, Signal.Queue(copy.Pid, 10, 4711));
        copy.ExpectGoodEnd();
    }

    [RootFact]
    public void Restore_TwiceOver_IsStillTheSameBody()
    {
        using var original = Guest.Start("body", "an argument");
        original.Expect("ready");
        using var second = Move(original.Pid);
        // The second one is a remote: its files are memfds that say which files they stand for.
        using var third = Move(second.Pid, remote: true);
        Assert.Equal(0, Signal.Queue(third.Pid, 10, 4711));
        third.ExpectGoodEnd();
    }

    [RootTheory]
    [InlineData("sleep")]
    [InlineData("sleep-rmtp")]
    [InlineData("clock-sleep")]
    [InlineData("sleep-until")]
    [InlineData("futex")]
    [InlineData("sigtimedwait")]
    [InlineData("sigtimedwait-info")]
    [InlineData("compute")]
    [InlineData("read-forever")]
    [InlineData("poll-forever")]
    [InlineData("select-forever")]
    public void Restore_OfAProcessThatWaits_GoesOnWaiting(string kind)
    {
        using var original = Guest.Start("waits", kind);
        original.Expect("ready");
        using var copy = Move(original.Pid);
        copy.Send("x");
        copy.ExpectGoodEnd();
    }

    [RootTheory]
    [InlineData("1000000")]
    [InlineData("1000000", "for a signal")]
    public void Restore_OfALongSleep_EndsAtItsOldEnd(params string[] arguments)
    {
        using var original = Guest.Start("long", arguments);
        original.Expect("ready");
        GuestState.WaitFor(original.Pid, 'S');
        // The sleep has eleven days to go; in the image it has next to nothing. Begun anew, it would not end before the test does.
        using var copy = Move(original.Pid, change: image =>
        {
            Assert.NotEqual(0u, image.Threads[0].ResumedCall);
            image.Threads[0].ResumedDeadlineNs = ClockReader.Monotonic + 1_000_000;
        });
        copy.ExpectGoodEnd();
    }

    [RootFact]
    public void Finish_WithAFilter_HandsOutTheListenerAndLeavesNoDescriptor()
    {
        using var original = Guest.Start("waits", "compute");
        original.Expect("ready");
        Microsoft.Win32.SafeHandles.SafeFileHandle? listener = null;
        using var copy = Move(original.Pid, finish: new FinishOptions { SeccompProgram = AllowAll }, listener: handle => listener = handle);
        using (listener)
        {
            Assert.False(listener!.IsInvalid);
            var status = File.ReadAllLines($"/proc/{copy.Pid}/status");
            Assert.Contains("Seccomp:\t2", status);
            Assert.Contains("NoNewPrivs:\t1", status);
            Assert.Contains("TracerPid:\t0", status);
            Assert.DoesNotContain(
                Directory.GetFileSystemEntries($"/proc/{copy.Pid}/fd"),
                path => (new FileInfo(path).LinkTarget ?? "").Contains("seccomp", StringComparison.Ordinal));
            copy.Send("x");
            copy.ExpectGoodEnd();
        }
    }

    [RootFact]
    public void Begin_OfAnImageThatNeedsAnotherCpu_IsRefusedByName()
    {
        using var original = Guest.Start("waits", "read-forever");
        original.Expect("ready");
        using var frozen = FrozenProcess.Freeze(original.Pid).Value;
        var image = frozen.Snapshot().Value;
        var features = image.Cpu.Features.ToByteArray();
        features.AsSpan().Fill(0xff);
        image.Cpu.Features = Google.Protobuf.ByteString.CopyFrom(features);

        using var blank = Guest.Start("blank");
        blank.Expect("blank");
        var outcome = RestoringProcess.Begin(blank.Pid, image);
        Assert.Equal("cpu", outcome.Failure?.Refusal?.Name);
    }

    [RootFact]
    public void Begin_OfAnImageWithAnotherVdso_IsRefusedByName()
    {
        using var original = Guest.Start("waits", "read-forever");
        original.Expect("ready");
        using var frozen = FrozenProcess.Freeze(original.Pid).Value;
        var image = frozen.Snapshot().Value;
        image.Mappings.Single(mapping => mapping.Kind == MappingKind.Vdso).VdsoHash = Google.Protobuf.ByteString.CopyFrom(new byte[32]);

        using var blank = Guest.Start("blank");
        blank.Expect("blank");
        var outcome = RestoringProcess.Begin(blank.Pid, image);
        Assert.Equal("vdso", outcome.Failure?.Refusal?.Name);
    }

    [RootFact]
    public void Abort_BeforeRun_EndsTheChildAndLeavesTheOriginal()
    {
        using var original = Guest.Start("waits", "read-forever");
        original.Expect("ready");
        using var blank = Guest.Start("blank");
        blank.Expect("blank");
        using (var frozen = FrozenProcess.Freeze(original.Pid).Value)
        {
            var image = frozen.Snapshot().Value;
            RestoringProcess.Begin(blank.Pid, image).Value.Dispose();
        }

        Assert.True(blank.Reap().IsSignaled);
        original.Send("x");
        original.ExpectGoodEnd();
    }

    [RootFact]
    public void Restore_OfAProcessThatRegisteredForMembarrier_IsRegisteredAgain()
    {
        using var original = Guest.Start("waits", "read-forever");
        original.Expect("ready");
        // Of one for restartable sequences the kernel tells as of one without.
        const ulong Told = MEMBARRIER_REGISTER_GLOBAL_EXPEDITED | MEMBARRIER_REGISTER_PRIVATE_EXPEDITED | MEMBARRIER_REGISTER_PRIVATE_EXPEDITED_RSEQ;
        Assert.Equal(
            [0, -Errno.EPERM, 0, 0, (long)Told],
            Membarrier(original.Pid, null, MEMBARRIER_GET_REGISTRATIONS, MEMBARRIER_PRIVATE_EXPEDITED_RSEQ, MEMBARRIER_REGISTER_GLOBAL_EXPEDITED, MEMBARRIER_REGISTER_PRIVATE_EXPEDITED_RSEQ, MEMBARRIER_GET_REGISTRATIONS));
        var shipped = 0u;
        using var copy = Move(original.Pid, change: image => shipped = image.Membarrier);
        Assert.Equal(Told, shipped);
        Assert.Equal(
            [(long)Told, 0, 0, -Errno.EPERM],
            Membarrier(copy.Pid, Agents.AreaOf(copy.Pid, UsualSlots), MEMBARRIER_GET_REGISTRATIONS, MEMBARRIER_PRIVATE_EXPEDITED_RSEQ, MEMBARRIER_GLOBAL_EXPEDITED, MEMBARRIER_PRIVATE_EXPEDITED_SYNC_CORE));
        copy.Send("x");
        copy.ExpectGoodEnd();
    }

    private const uint UsualSlots = 1024;

    // linux/membarrier.h
    private const ulong MEMBARRIER_GLOBAL_EXPEDITED = 2, MEMBARRIER_REGISTER_GLOBAL_EXPEDITED = 4, MEMBARRIER_REGISTER_PRIVATE_EXPEDITED = 16,
        MEMBARRIER_PRIVATE_EXPEDITED_SYNC_CORE = 32, MEMBARRIER_PRIVATE_EXPEDITED_RSEQ = 128, MEMBARRIER_REGISTER_PRIVATE_EXPEDITED_RSEQ = 256,
        MEMBARRIER_GET_REGISTRATIONS = 512;

    /// <summary>struct sock_filter: return SECCOMP_RET_ALLOW.</summary>
    private static readonly byte[] AllowAll = [0x06, 0, 0, 0, 0, 0, 0xff, 0x7f];

    private static long[] Membarrier(int pid, Tracing.AgentArea? agent, params ulong[] commands)
    {
        using var frozen = FrozenProcess.Freeze(pid, new FreezeOptions { AgentArea = agent }).Value;
        var batch = frozen.NewBatch().Value;
        int[] calls = [.. commands.Select(command => batch.Add(CallNumber.membarrier, command))];
        var results = frozen.Execute(batch).Value;
        return [.. calls.Select(call => results[call])];
    }

    /// <summary>Freeze to Run on one machine; the original is gone afterwards.</summary>
    private static Guest Move(int pid, bool remote = false, Action<ProcessImage>? change = null, FinishOptions? finish = null,
        Action<Microsoft.Win32.SafeHandles.SafeFileHandle?>? listener = null)
    {
        var blank = Guest.Start("blank");
        blank.Expect("blank");
        // A remote keeps its agent: it is found where the image says.
        var agent = remote ? Agents.AreaOf(pid, UsualSlots) : (Tracing.AgentArea?)null;
        var frozen = FrozenProcess.Freeze(pid, new FreezeOptions { AgentArea = agent }).Value;
        var snapshot = frozen.Snapshot(new Checkpoint.Snapshot.SnapshotOptions { Remote = remote });
        Assert.True(snapshot.Ok, snapshot.ToString());
        // Over the wire and back, as everywhere.
        var image = ProcessImage.Parser.ParseFrom(Google.Protobuf.MessageExtensions.ToByteArray(snapshot.Value));
        change?.Invoke(image);
        Assert.Null(ImageValidation.Check(image));

        var begun = RestoringProcess.Begin(blank.Pid, image);
        Assert.True(begun.Ok, begun.ToString());
        Copy.All(pid, image, begun.Value);
        var finished = begun.Value.Finish(finish);
        Assert.True(finished.Ok, finished.ToString());
        listener?.Invoke(finished.Value);
        Assert.Equal(0, Checkpoint.Interop.Kernel.Kill(pid, 9));
        frozen.Dispose();
        var run = begun.Value.Run();
        Assert.True(run.Ok, run.ToString());
        return blank;
    }
}
