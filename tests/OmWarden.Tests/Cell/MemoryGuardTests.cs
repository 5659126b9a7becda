using System.Diagnostics;
using OpenMosix.Protocol.V1;
using OpenMosix.Warden.Cell;
using OpenMosix.Warden.Tests.Harness;

namespace OpenMosix.Warden.Tests.Cell;

/// <summary>A process that outgrows its cell is paused and told of, not ended.</summary>
public sealed class MemoryGuardTests
{
    [Fact]
    public async Task Guard_MemoryUsedUp_TellsAndEndsNothing()
    {
        Privileged.OrSkip();
        var tree = CgroupTree.Find();
        Assert.SkipUnless(tree.Has("memory"), "no cgroup memory controller");
        var cgroup = Cgroup.Create(tree, Cgroup.NameOf($"guard{Environment.ProcessId}", 1), new CellLimits { MemoryBytes = 24 << 20 });
        var pressed = new SemaphoreSlim(0);
        var start = new ProcessStartInfo("/bin/sh") { RedirectStandardInput = true };
        start.ArgumentList.Add("-c");
        start.ArgumentList.Add("read go; exec perl -e '$all = q(a) x 200000000'");
        using var grower = Process.Start(start)!;
        MemoryGuard? guard = null;
        try
        {
            cgroup.Enter(grower.Id);
            guard = MemoryGuard.Start(cgroup, () => pressed.Release());
            Assert.NotNull(guard);
            await grower.StandardInput.WriteLineAsync("go");
            // At nine tenths, and at the limit as often as the slack is used up.
            for (var time = 0; time < 3; time++)
            {
                Assert.True(await pressed.WaitAsync(TimeSpan.FromSeconds(30), TestContext.Current.CancellationToken));
            }

            Assert.False(grower.HasExited);
        }
        finally
        {
            grower.Kill();
            await grower.WaitForExitAsync(CancellationToken.None);
            guard?.Dispose();
            Assert.True(cgroup.Delete());
        }
    }
}
