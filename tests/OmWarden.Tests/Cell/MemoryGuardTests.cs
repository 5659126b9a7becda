using System.Diagnostics;
using OpenMosix.Protocol.V1;
using OpenMosix.Warden.Cell;
using OpenMosix.Warden.Tests.Harness;

namespace OpenMosix.Warden.Tests.Cell;

/// <summary>A process that outgrows its cell is paused and told of, not ended.</summary>
public sealed class MemoryGuardTests
{
    private const long LimitBytes = 24 << 20;

    [Fact]
    public async Task Guard_MemoryUsedUp_TellsAndEndsNothing()
    {
        Privileged.OrSkip();
        var tree = CgroupTree.Find();
        Assert.SkipUnless(tree.Has("memory"), "no cgroup memory controller");
        Assert.SkipWhen(tree.Hierarchies.Any(each => each.Unified && each.Controllers.Contains("memory")), "memory is limited in a v2 tree");
        var cgroup = Cgroup.Create(tree, Cgroup.NameOf($"guard{Environment.ProcessId}", "1"), new CellLimits { MemoryBytes = LimitBytes });
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
            await PausedAsync(pressed, cgroup, beyond: LimitBytes * 9 / 10);
            Assert.False(grower.HasExited);
            Assert.InRange(Bytes(cgroup, "memory.usage_in_bytes"), 0, LimitBytes);

            // While it is being stopped it has a little more, and no more than that.
            guard.Loosen();
            await PausedAsync(pressed, cgroup, beyond: LimitBytes);
            var used = Bytes(cgroup, "memory.usage_in_bytes");
            Assert.InRange(used, 0, 2 * LimitBytes);

            // It cannot be given less than it uses, and does not get more.
            guard.Tighten();
            Assert.InRange(Bytes(cgroup, "memory.limit_in_bytes"), used, used + (1 << 20));
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

    // Told at nine tenths and at the limit; both may be told at once.
    private static async Task PausedAsync(SemaphoreSlim pressed, Cgroup cgroup, long beyond)
    {
        do
        {
            Assert.True(await pressed.WaitAsync(TimeSpan.FromSeconds(30), TestContext.Current.CancellationToken));
        }
        while (!Read(cgroup, "memory.oom_control").Contains("under_oom 1", StringComparison.Ordinal) || Bytes(cgroup, "memory.usage_in_bytes") <= beyond);
    }

    private static long Bytes(Cgroup cgroup, string name) => long.Parse(Read(cgroup, name), System.Globalization.CultureInfo.InvariantCulture);

    private static string Read(Cgroup cgroup, string name) => File.ReadAllText(Path.Combine(cgroup.Memory!.Value.Path, name));
}
