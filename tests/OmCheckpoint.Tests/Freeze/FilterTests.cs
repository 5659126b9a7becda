using OpenMosix.Checkpoint.Freeze;
using OpenMosix.Checkpoint.Snapshot;

namespace OpenMosix.Checkpoint.Tests.Freeze;

public sealed class FilterTests
{
    // Three calls slipped through in each freeze when the filter was suspended from PTRACE_SEIZE on.
    private const int Freezes = 1000;

    [RootFact]
    public void Frozen_WhileItCalls_NoCallSlipsPastItsFilter()
    {
        using var guest = Guest.Start("filtered");
        guest.Expect("ready");
        for (var i = 0; i < Freezes; i++)
        {
            var frozen = FrozenProcess.Freeze(guest.Pid, new FreezeOptions { SuspendSeccomp = true });
            Assert.True(frozen.Ok, frozen.ToString());
            // Which steps out of the vDSO a thread that is found there.
            var described = frozen.Value.Snapshot(new SnapshotOptions { Remote = true });
            Assert.True(described.Ok, described.ToString());
            var thawed = frozen.Value.Thaw();
            Assert.True(thawed.Ok, thawed.ToString());
        }

        guest.Send("x");
        Assert.Equal("0 slipped through", guest.ReadLine());
        guest.ExpectGoodEnd();
    }
}
