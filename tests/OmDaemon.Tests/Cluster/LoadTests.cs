using OpenMosix.Daemon.Cluster;
using OpenMosix.Protocol.V1;

namespace OpenMosix.Daemon.Tests.Cluster;

public sealed class LoadTests : IDisposable
{
    private const string MemInfo = "MemTotal:       2000 kB\nMemFree:         100 kB\nMemAvailable:   1500 kB\n";
    private readonly TestDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    [Fact]
    public void Parse_OfTheKernelsFiles_Values()
    {
        Assert.Equal(0.52, LoadReader.ParseLoadAverage("0.52 0.58 0.59 1/389 12345\n"));
        Assert.Equal(12.34, LoadReader.ParsePressure("some avg10=12.34 avg60=0.00 avg300=0.00 total=0\nfull avg10=1.00 avg60=0.00 avg300=0.00 total=0\n"));
        Assert.Equal(new MemoryInfo(2000 * 1024, 1500 * 1024), MemoryInfo.Parse(MemInfo));
    }

    [Theory]
    [InlineData("")]
    [InlineData("nonsense")]
    public void Parse_OfSomethingElse_Zero(string text)
    {
        Assert.Equal(0, LoadReader.ParseLoadAverage(text));
        Assert.Equal(0, LoadReader.ParsePressure(text));
        Assert.Equal(default, MemoryInfo.Parse(text));
    }

    [Fact]
    public void Read_OfThisMachine_IsPlausible()
    {
        Load load = new LoadReader(TimeProvider.System).Read();
        Assert.True(load.Cpus > 0);
        Assert.InRange(load.MemoryAvailableBytes, 1UL, load.MemoryTotalBytes);
        Assert.True(load.MeasuredNs > 1_700_000_000_000_000_000);
    }

    [Fact]
    public void Read_NoCgroup_MemAvailable()
    {
        Proc("", "");
        Load load = Read();
        Assert.Equal(2000UL * 1024, load.MemoryTotalBytes);
        Assert.Equal(1500UL * 1024, load.MemoryAvailableBytes);
    }

    [Fact]
    public void Read_V1Limit_LimitLessUsagePlusFilePages()
    {
        Proc("4:memory:/a/b\n", $"35 31 0:32 / {_directory["cg"]} rw - cgroup cgroup rw,memory\n");
        GroupV1("cg", 1UL << 62 | 0xfff, 5000, 0);
        GroupV1("cg/a", 1_000_000, 700_000, 50_000);
        GroupV1("cg/a/b", 9_000_000, 600_000, 10);
        Load load = Read();
        Assert.Equal(1_000_000UL, load.MemoryTotalBytes);
        Assert.Equal(350_000UL, load.MemoryAvailableBytes);
    }

    [Fact]
    public void Read_V2Limit_TightestAncestorDecides()
    {
        Proc("0::/x/y\n", $"41 31 0:38 / {_directory["cg"]} rw - cgroup2 cgroup2 rw\n");
        GroupV2("cg/x", "800000", 300_000, 100_000);
        GroupV2("cg/x/y", "max", 200_000, 0);
        Load load = Read();
        Assert.Equal(800_000UL, load.MemoryTotalBytes);
        Assert.Equal(600_000UL, load.MemoryAvailableBytes);
    }

    [Fact]
    public void Read_MountShowsPartOfTheHierarchy_PathIsTakenFromThere()
    {
        Proc("0::/docker/c1/job\n", $"41 31 0:38 /docker/c1 {_directory["cg"]} rw - cgroup2 cgroup2 rw\n");
        GroupV2("cg", "900000", 100_000, 0);
        GroupV2("cg/job", "500000", 100_000, 0);
        Assert.Equal(400_000UL, Read().MemoryAvailableBytes);
    }

    [Fact]
    public void Read_UsageOverLimit_NothingAvailable()
    {
        Proc("0::/\n", $"41 31 0:38 / {_directory["cg"]} rw - cgroup2 cgroup2 rw\n");
        GroupV2("cg", "100000", 150_000, 0);
        Assert.Equal(0UL, Read().MemoryAvailableBytes);
    }

    [Fact]
    public void Read_Guests_AreCounted()
    {
        Proc("", "");
        Load load = new LoadReader(TimeProvider.System, new SomeWork(), _directory["proc"]).Read();
        Assert.Equal((2u, 3u), (load.Hosted, load.Away));
    }

    private Load Read() => new LoadReader(TimeProvider.System, null, _directory["proc"]).Read();

    private void Proc(string cgroup, string mounts)
    {
        _directory.Write("proc/meminfo", MemInfo);
        _directory.Write("proc/loadavg", "1.00 1.00 1.00 1/1 1\n");
        _directory.Write("proc/self/cgroup", cgroup);
        _directory.Write("proc/self/mountinfo", mounts);
    }

    private void GroupV1(string path, ulong limit, ulong usage, ulong file)
    {
        _directory.Write($"{path}/memory.limit_in_bytes", $"{limit}\n");
        _directory.Write($"{path}/memory.usage_in_bytes", $"{usage}\n");
        _directory.Write($"{path}/memory.stat", $"cache 1\ninactive_file 7\ntotal_inactive_file {file}\ntotal_active_file 0\n");
    }

    private void GroupV2(string path, string limit, ulong usage, ulong file)
    {
        _directory.Write($"{path}/memory.max", $"{limit}\n");
        _directory.Write($"{path}/memory.current", $"{usage}\n");
        _directory.Write($"{path}/memory.stat", $"anon 1\ninactive_file {file}\nactive_file 0\n");
    }

    private sealed class SomeWork : IWork
    {
        public uint Hosted => 2;
        public uint Away => 3;
        public bool Any => true;
        public Task Began => Task.CompletedTask;
    }
}

public sealed class LoadNewsTests
{
    private static Load Some => new() { Load1 = 1, MemoryTotalBytes = 1000, MemoryAvailableBytes = 500 };

    [Fact]
    public void IsNews_NothingToldYet_Yes() => Assert.True(LoadNews.IsNews(Some, null));

    [Fact]
    public void IsNews_TheSameOrNearly_No()
    {
        Load now = Some;
        now.MemoryAvailableBytes = 510;
        now.Load1 = 1.2;
        now.MeasuredNs = 99;
        Assert.False(LoadNews.IsNews(now, Some));
    }

    [Fact]
    public void IsNews_MemoryGoesOrAGuestComes_Yes()
    {
        Load less = Some, guest = Some;
        less.MemoryAvailableBytes = 400;
        guest.Hosted = 1;
        Assert.True(LoadNews.IsNews(less, Some));
        Assert.True(LoadNews.IsNews(guest, Some));
    }
}
