using OpenMosix.Checkpoint.Freeze;

namespace OpenMosix.Checkpoint.Tests.Freeze;

public sealed class FilterTests
{
    // With the filter suspended from PTRACE_SEIZE on, three calls slipped through in each freeze.
    private const int Freezes = 1000;

    [RootFact]
    public void FreezeThaw_WhileItCalls_NoCallSlipsPastItsFilter()
    {
        using var guest = Guest.Start("filtered");
        guest.Expect("ready");
        for (var i = 0; i < Freezes; i++)
        {
            var frozen = FrozenProcess.Freeze(guest.Pid, new FreezeOptions { SuspendSeccomp = true });
            Assert.True(frozen.Ok, frozen.ToString());
            var thawed = frozen.Value.Thaw();
            Assert.True(thawed.Ok, thawed.ToString());
        }

        guest.Send("x");
        Assert.Equal("0 slipped through", guest.ReadLine());
        guest.ExpectGoodEnd();
    }
}
