using System.Security.Cryptography;
using OpenMosix.Protocol.V1;
using OpenMosix.Warden.Cell;

namespace OpenMosix.Warden.Tests.Cell;

public sealed class CellProcessTests
{
    private static readonly CgroupTree Tree = CgroupTree.Find();

    private static CellOptions Options(int pid = 4_000_000) => new()
    {
        Helper = Repository.Output("lib/omcell"),
        Instance = "test" + Environment.ProcessId,
        Name = Convert.ToHexString(RandomNumberGenerator.GetBytes(8)),
        InnerPid = pid,
        FirstId = SubordinateIds.Draw(new HashSet<uint>()),
        Hostname = "pc1",
        Limits = new CellLimits { MemoryBytes = 64 << 20, Pids = 8, Cpus = 1 },
        Clock = new(100_000_000_000_000, 200_000_000_000_000),
    };

    private static Dictionary<string, string> Status(int pid) =>
        File.ReadLines($"/proc/{pid}/status").Select(line => line.Split(":\t", 2)).ToDictionary(pair => pair[0], pair => pair[1].Trim());

    [Fact]
    public void Create_BlankChild_HasNothing()
    {
        Privileged.OrSkip();
        CellOptions options = Options();
        CellProcess cell = CellProcess.Create(options, Tree);
        try
        {
            Dictionary<string, string> status = Status(cell.BodyPid);
            Assert.EndsWith("\t4000000", status["NSpid"]);
            Assert.Equal($"{options.FirstId + 1}\t{options.FirstId + 1}\t{options.FirstId + 1}\t{options.FirstId + 1}", status["Uid"]);
            Assert.Equal("", status["Groups"]);
            Assert.Equal("0000000000000000", status["CapEff"]);
            Assert.Equal("0000000000000000", status["CapPrm"]);
            Assert.Equal("1", status["NoNewPrivs"]);
            Assert.Equal("0", status["Cpus_allowed_list"]);
            Assert.Equal("0000000000000000", status["SigBlk"]);
            Assert.Equal("0000000000000000", status["SigIgn"]);
            Assert.Empty(Directory.GetFileSystemEntries($"/proc/{cell.BodyPid}/fd"));
            Assert.Empty(Directory.GetFileSystemEntries($"/proc/{cell.BodyPid}/root/"));
            foreach (string space in (string[])["user", "pid", "mnt", "net", "ipc", "uts", "time", "cgroup"])
                Assert.NotEqual(File.ResolveLinkTarget($"/proc/self/ns/{space}", false)!.Name,
                    File.ResolveLinkTarget($"/proc/{cell.BodyPid}/ns/{space}", false)!.Name);
            Assert.Equal("1000\n", File.ReadAllText($"/proc/{cell.BodyPid}/oom_score_adj"));
            Assert.Contains("100000", File.ReadAllText($"/proc/{cell.BodyPid}/timens_offsets"));
            Assert.Equal(1ul << 40 | 1ul << 7 | 1ul << 6, Convert.ToUInt64(Status(cell.InitPid)["CapEff"], 16));
        }
        finally
        {
            Assert.True(cell.End());
        }
        Assert.False(Directory.Exists($"/proc/{cell.BodyPid}"));
        Assert.False(Directory.Exists($"/proc/{cell.InitPid}"));
        Assert.Empty(Cgroup.Adopt(Tree, cell.CgroupName).Members());
    }

    [Fact]
    public async Task Watch_ChildKilled_TellsItsStatus()
    {
        Privileged.OrSkip();
        CellProcess cell = CellProcess.Create(Options(77), Tree);
        try
        {
            var ended = new TaskCompletionSource<CellReport>(TaskCreationOptions.RunContinuationsAsynchronously);
            cell.Watch("test", ended.SetResult);
            Assert.Equal(0, Interop.Processes.SendSignal(cell.BodyPidfd!, 11));
            CellReport exit = await ended.Task.WaitAsync(TimeSpan.FromSeconds(10), TestContext.Current.CancellationToken);
            Assert.Equal(77, exit.Pid);
            Assert.Equal(11, exit.Status & 0x7f);
        }
        finally
        {
            Assert.True(cell.End());
        }
    }

    [Fact]
    public async Task End_WhileAnEndIsBeingTold_WatchEndsAndClosesTheSocket()
    {
        Privileged.OrSkip();
        CellProcess cell = CellProcess.Create(Options(77), Tree);
        var told = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        using var ended = new ManualResetEventSlim();
        cell.Watch("test", _ =>
        {
            told.SetResult();
            ended.Wait();
        });
        Interop.Processes.SendSignal(cell.BodyPidfd!, 9);
        await told.Task.WaitAsync(TimeSpan.FromSeconds(10), TestContext.Current.CancellationToken);
        Assert.True(cell.End());
        Assert.False(cell.Control.IsClosed);
        ended.Set(); // an exception in the watch would end this process, as it would a warden
        Assert.True(SpinWait.SpinUntil(() => cell.Control.IsClosed, TimeSpan.FromSeconds(10)));
        Assert.Throws<CellException>(() => cell.NextTid(78));
    }

    [Fact]
    public void Create_PidOfInit_FailsAndLeavesNothing()
    {
        Privileged.OrSkip();
        CellOptions options = Options(1);
        CellException refused = Assert.Throws<CellException>(() => CellProcess.Create(options, Tree));
        Assert.Contains("clone3", refused.Message);
        foreach (CgroupHierarchy hierarchy in Tree.Hierarchies)
            Assert.False(Directory.Exists(Path.Combine(hierarchy.Path, Cgroup.NameOf(options.Instance, options.Name))));
    }

    [Fact]
    public void Create_ControlSocketClosed_EverythingInsideEnds()
    {
        Privileged.OrSkip();
        CellProcess cell = CellProcess.Create(Options(), Tree);
        cell.Control.Dispose();
        Interop.Processes.WaitForEnd(cell.InitPidfd);
        Assert.False(Directory.Exists($"/proc/{cell.BodyPid}"));
        Assert.True(cell.End());
    }

    [Fact]
    public void Sweep_CellOfADeadWarden_IsEnded()
    {
        Privileged.OrSkip();
        CellOptions options = Options();
        CellProcess cell = CellProcess.Create(options, Tree);
        Assert.Equal(1, CgroupSweep.Run(Tree, options.Instance, new HashSet<string>()));
        Assert.False(Directory.Exists($"/proc/{cell.BodyPid}"));
        Assert.True(cell.End());
    }
}
