using OpenMosix.Lab.Cgroups;
using OpenMosix.Lab.Network;
using OpenMosix.Lab.State;

namespace OpenMosix.Lab.Tests.Lab;

/// <summary>What is decided before anything is made.</summary>
public sealed class PlanTests
{
    [Theory]
    [InlineData("512M", 512L << 20)]
    [InlineData("2g", 2L << 30)]
    [InlineData("16777216", 16L << 20)]
    public void MemorySize_Good_IsBytes(string text, long bytes) => Assert.Equal(bytes, MemorySize.Parse(text));

    [Theory]
    [InlineData("")]
    [InlineData("M")]
    [InlineData("-1G")]
    [InlineData("1.5G")]
    [InlineData("15M")]
    [InlineData("99999999999T")]
    public void MemorySize_Bad_IsNull(string text) => Assert.Null(MemorySize.Parse(text));

    [Fact]
    public void MemorySize_List_IsOneForAllOrOneEach()
    {
        Assert.Equal([64L << 20, 64L << 20], MemorySize.ParseList("64M", 2));
        Assert.Equal([64L << 20, 1L << 30], MemorySize.ParseList("64M,1G", 2));
        Assert.Equal([null, null], MemorySize.ParseList(null, 2));
        Assert.Throws<LabException>(() => MemorySize.ParseList("64M,1G", 3));
        Assert.Throws<LabException>(() => MemorySize.ParseList("64M,big", 2));
    }

    [Theory]
    [InlineData("1gbit", 125_000_000)]
    [InlineData("100mbit", 12_500_000)]
    [InlineData("8kbit", 1000)]
    public void LinkRate_Good_IsBytesPerSecond(string text, long bytes) => Assert.Equal(bytes, LinkRate.BytesPerSecond(text));

    [Theory]
    [InlineData("0gbit")]
    [InlineData("1g")]
    [InlineData("1gbit; reboot")]
    [InlineData("9999999gbit")]
    public void LinkRate_Bad_IsRefused(string text) => Assert.Throws<LabException>(() => LinkRate.BytesPerSecond(text));

    [Fact]
    public void CgroupMount_Version1_FindsTheHierarchiesOfItsControllers()
    {
        var mounts = CgroupMount.Parse(
            [
                "35 31 0:29 / /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,memory",
                "36 31 0:30 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct",
                "37 31 0:31 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd",
                "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw",
            ],
            _ => "\n");
        Assert.Equal(["/sys/fs/cgroup/memory", "/sys/fs/cgroup/cpu,cpuacct", "/sys/fs/cgroup/unified"], mounts.Select(mount => mount.Directory));
        Assert.Equal([false, false, true], mounts.Select(mount => mount.Unified));
    }

    [Fact]
    public void CgroupMount_Version2_KnowsWhatItControls()
    {
        var mount = Assert.Single(CgroupMount.Parse(["30 1 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw,nsdelegate"], _ => "cpuset cpu io memory pids\n"));
        Assert.True(mount.Unified);
        Assert.Equal(["memory", "pids", "cpu"], mount.Controllers);
    }
}
