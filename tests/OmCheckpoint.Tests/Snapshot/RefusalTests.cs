using OpenMosix.Checkpoint.Freeze;
using OpenMosix.Checkpoint.Snapshot;

namespace OpenMosix.Checkpoint.Tests.Snapshot;

public sealed class RefusalTests
{
    [RootTheory]
    [InlineData("threads")]
    [InlineData("leader-exited")]
    [InlineData("shared-memory")]
    [InlineData("sysv-shared-memory")]
    [InlineData("seccomp-filter")]
    [InlineData("aio")]
    [InlineData("io-uring")]
    [InlineData("userfaultfd")]
    [InlineData("perf-events")]
    [InlineData("shared-address-space")]
    [InlineData("device-mapping")]
    [InlineData("sealed-memory")]
    public void InspectAndSnapshot_OfWhatCannotMove_RefuseByThatName(string kind)
    {
        using var guest = Guest.Start("refused", kind);
        Assert.SkipWhen(guest.ReadLine() == "cannot", $"this kernel does not offer {kind}");

        var seen = Inspection.Inspect(guest.Pid, SharedMemorySet.None);
        Assert.Equal(kind, seen?.Name);
        Assert.NotEmpty(seen!.Object);
        Assert.NotEmpty(seen.Advice);

        var frozen = FrozenProcess.Freeze(guest.Pid);
        var refusal = frozen.Failure?.Refusal;
        if (frozen.Ok)
        {
            using (frozen.Value)
            {
                refusal = frozen.Value.Snapshot().Failure?.Refusal;
            }
        }

        Assert.Equal(kind, refusal?.Name);
        guest.Send("x");
        Assert.True(guest.End().Status.IsExited);
    }

    /// <summary>It runs on more memory than it may map by now.</summary>
    [RootTheory]
    [InlineData("prlimit --pid=$$ --as=1")]
    [InlineData("prlimit --pid=$$ --data=1")]
    public void Snapshot_OfOneThatMayMapNothing_RefusesByName(string limit)
    {
        using var guest = Guest.Start("/bin/bash", "-c", $"echo ready; read; {limit}; echo limited; read");
        guest.Expect("ready");
        guest.Send("x\n");
        guest.Expect("limited");
        using (var frozen = FrozenProcess.Freeze(guest.Pid).Value)
        {
            Assert.Equal("address-space", frozen.Snapshot().Failure?.Refusal?.Name);
        }

        guest.Send("x\n");
        Assert.True(guest.End().Status.IsExited);
    }

    [RootFact]
    public void Inspect_OfAPlainProcess_FindsNothing()
    {
        using var guest = Guest.Start("waits", "read-forever");
        guest.Expect("ready");
        Assert.Null(Inspection.Inspect(guest.Pid, SharedMemorySet.None));
    }
}
