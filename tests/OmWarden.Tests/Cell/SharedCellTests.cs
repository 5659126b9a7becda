using System.Diagnostics;
using System.Globalization;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Win32.SafeHandles;
using OpenMosix.Protocol.V1;
using OpenMosix.Warden.Cell;
using OpenMosix.Warden.Handover;
using OpenMosix.Warden.Held;
using OpenMosix.Warden.Hosting;
using OpenMosix.Warden.Interop;

namespace OpenMosix.Warden.Tests.Cell;

/// <summary>A cell with two bodies, of which the first is really there.</summary>
public sealed class SharedCellTests : IDisposable
{
    private const int InnerPid = 4_000_000;
    private const ulong LimitBytes = 24 << 20;

    private static readonly CgroupTree Tree = CgroupTree.Find();

    private readonly string _folder = Directory.CreateTempSubdirectory("om-cell").FullName;
    private readonly ServiceManager _manager = new(null);
    private readonly WardenContext _context;
    private readonly Body _first = new(InnerPid), _second = new(InnerPid + 1);

    public SharedCellTests()
    {
        var options = new WardenOptions { RunDirectory = _folder, CellHelper = Repository.Output("lib/omcell") };
        _context = new(options, Tree, new DescriptorStore(_manager, []), NullLoggerFactory.Instance, _ => { });
    }

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    public void Dispose()
    {
        _manager.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public void Leave_OneOfTwo_CellEndsWithTheLast()
    {
        Privileged.OrSkip();
        SharedCell cell = Create(out int pid, out SafeFileHandle pidfd);
        using (pidfd)
        {
            cell.Join(_first);
            cell.Join(_second);
            Assert.True(cell.Leave(_second));
            Assert.True(Directory.Exists($"/proc/{pid}"));
            Assert.NotEmpty(Members(cell));
            Assert.Single(_context.TakenIds);

            Assert.True(cell.Leave(_first));
            Assert.False(Directory.Exists($"/proc/{pid}"));
            Assert.False(Directory.Exists($"/proc/{cell.InitPid}"));
            Assert.Empty(Members(cell));
            Assert.Empty(_context.TakenIds);
            Assert.True(cell.Leave(_first)); // said again
        }
    }

    /// <summary>A number that has come round belongs to the newer one.</summary>
    [Fact]
    public void Leave_OfOneWhosePidIsAnothersByNow_LeavesTheOther()
    {
        Privileged.OrSkip();
        SharedCell cell = Create(out int pid, out SafeFileHandle pidfd);
        using (pidfd)
        {
            var later = new Body(InnerPid);
            cell.Join(_first);
            cell.Join(later);
            Assert.True(cell.Leave(_first));
            Assert.True(Directory.Exists($"/proc/{pid}"));
            Assert.True(cell.Leave(later));
            Assert.False(Directory.Exists($"/proc/{pid}"));
        }
    }

    [Fact]
    public async Task Body_IsKilled_ItAloneHearsOfIt()
    {
        Privileged.OrSkip();
        SharedCell cell = Create(out _, out SafeFileHandle pidfd);
        using (pidfd)
        {
            cell.Join(_first);
            cell.Join(_second);
            Assert.Equal(0, Processes.SendSignal(pidfd, 11));
            Assert.Equal(11, await _first.Ended.Task.WaitAsync(TimeSpan.FromSeconds(30), Cancelled) & 0x7f);
            Assert.False(_second.Ended.Task.IsCompleted);
            Assert.True(cell.Leave(_first));
            Assert.NotEmpty(Members(cell)); // init: the other goes on
            Assert.True(cell.Leave(_second));
        }
    }

    [Fact]
    public async Task GuardMemory_MemoryIsShort_TheLargestIsTold()
    {
        SharedCell cell = Guarded(out SafeFileHandle pidfd);
        (_first.ResidentBytes, _second.ResidentBytes) = (1 << 20, 2 << 20);
        using (pidfd)
        using (Process grower = Grower(cell))
        {
            try
            {
                await grower.StandardInput.WriteLineAsync("go");
                Assert.True(await _second.Pressed.WaitAsync(TimeSpan.FromSeconds(30), Cancelled));
                Assert.Equal(0, _first.Pressed.CurrentCount);
            }
            finally
            {
                grower.Kill();
                await grower.WaitForExitAsync(CancellationToken.None);
                Assert.True(cell.Leave(_first));
                Assert.True(cell.Leave(_second));
            }
        }
    }

    /// <summary>Each that is waited for may need what is beyond the limit; when none is any more, the limit is what it was.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Loosen_OfTwo_HoldsUntilNoneIsWaitedFor(bool lastLeaves)
    {
        SharedCell cell = Guarded(out SafeFileHandle pidfd);
        using (pidfd)
        {
            var before = LimitOf(cell);
            Assert.Equal(LimitBytes, before);
            cell.Loosen(_first);
            cell.Loosen(_second);
            cell.Loosen(_second); // again
            Assert.True(LimitOf(cell) > before);
            cell.Tighten(_first);
            cell.Tighten(_first);
            Assert.True(LimitOf(cell) > before);
            if (lastLeaves)
                Assert.True(cell.Leave(_second));
            else
                cell.Tighten(_second);
            Assert.Equal(before, LimitOf(cell));
            Assert.True(cell.Leave(_second));
            Assert.True(cell.Leave(_first));
        }
    }

    [Fact]
    public void Join_AndLeave_LimitsAreThoseOfAllThatAreThere()
    {
        Privileged.OrSkip();
        Assert.SkipUnless(Tree.Has("memory") && Tree.Has("pids"), "no cgroup controllers for memory and pids");
        const ulong need = 4 << 20, spare = LimitBytes - need;
        SharedCell cell = Create(out _, out SafeFileHandle pidfd);
        using (pidfd)
        {
            var leader = new Body(InnerPid) { Limits = new() { MemoryBytes = LimitBytes, NeedBytes = need, Pids = 8 } };
            var member = new Body(InnerPid + 1) { Limits = new() { MemoryBytes = spare + (2 * need), NeedBytes = 2 * need, Pids = 16 } };
            var child = new Body(InnerPid + 2) { Limits = new() { Pids = 16 } };
            var many = new Body(InnerPid + 3) { Limits = new() { Pids = uint.MaxValue } };
            cell.Join(leader);
            Assert.Equal((LimitBytes, 8UL), (LimitOf(cell), PidsOf(cell)));
            cell.Join(member);
            Assert.Equal((spare + (3 * need), 24UL), (LimitOf(cell), PidsOf(cell)));
            cell.GuardMemory();
            cell.Join(child);
            Assert.Equal((spare + (3 * need), 40UL), (LimitOf(cell), PidsOf(cell)));
            cell.Join(many);
            Assert.Equal(4UL << 20, PidsOf(cell));
            Assert.True(cell.Leave(many));
            Assert.True(cell.Leave(leader));
            Assert.Equal((spare + (2 * need), 32UL), (LimitOf(cell), PidsOf(cell)));
            cell.Loosen(child);
            Assert.True(cell.Leave(member));
            Assert.True(LimitOf(cell) > spare);
            cell.Tighten(child);
            Assert.Equal((spare, 16UL), (LimitOf(cell), PidsOf(cell)));
            Assert.True(cell.Leave(child));
        }
    }

    private SharedCell Create(out int pid, out SafeFileHandle pidfd)
    {
        var image = new ProcessImage { Pid = InnerPid, HomeHostname = "pc1" };
        return SharedCell.Create(_context, "1", image, new CellLimits { MemoryBytes = (long)LimitBytes, Pids = 8, Cpus = 1 }, new(0, 0), out pid, out pidfd);
    }

    private SharedCell Guarded(out SafeFileHandle pidfd)
    {
        Privileged.OrSkip();
        Assert.SkipUnless(Tree.Has("memory"), "no cgroup memory controller");
        Assert.SkipWhen(Tree.Hierarchies.Any(each => each.Unified && each.Controllers.Contains("memory")), "memory is limited in a v2 tree");
        SharedCell cell = Create(out _, out pidfd);
        cell.Join(_first);
        cell.Join(_second);
        cell.GuardMemory();
        cell.GuardMemory(); // of the second body
        return cell;
    }

    private static Process Grower(SharedCell cell)
    {
        var start = new ProcessStartInfo("/bin/sh") { RedirectStandardInput = true };
        start.ArgumentList.Add("-c");
        start.ArgumentList.Add("read go; exec perl -e '$all = q(a) x 200000000'");
        Process grower = Process.Start(start)!;
        Cgroup.Adopt(Tree, cell.CgroupName).Enter(grower.Id);
        return grower;
    }

    private static ulong LimitOf(SharedCell cell) =>
        Number(Tree.Hierarchies.First(each => each.Controllers.Contains("memory")) is { Unified: true } ? "memory.max" : "memory.limit_in_bytes", "memory", cell);

    private static ulong PidsOf(SharedCell cell) => Number("pids.max", "pids", cell);

    private static ulong Number(string file, string controller, SharedCell cell) => ulong.Parse(
        File.ReadAllText(Path.Combine(Tree.Hierarchies.First(each => each.Controllers.Contains(controller)).Path, cell.CgroupName, file)), CultureInfo.InvariantCulture);

    private static IEnumerable<int> Members(SharedCell cell) => Cgroup.Adopt(Tree, cell.CgroupName).Members();

    private sealed class Body(int innerPid) : ICellBody
    {
        public int InnerPid => innerPid;
        public int HostPid => 0;
        public ulong ResidentBytes { get; set; }
        public CellLimits Limits { get; init; } = new() { MemoryBytes = LimitBytes, Pids = 8 };
        public TaskCompletionSource<int> Ended { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
        public SemaphoreSlim Pressed { get; } = new(0);

        public void BodyEnded(int waitStatus) => Ended.SetResult(waitStatus);

        public void MemoryIsShort() => Pressed.Release();
    }
}
