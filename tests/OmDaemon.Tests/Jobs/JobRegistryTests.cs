using System.Diagnostics;
using System.Globalization;
using OpenMosix.Daemon.Interop;
using OpenMosix.Daemon.Jobs;
using OpenMosix.Daemon.Migration;

namespace OpenMosix.Daemon.Tests.Jobs;

public sealed class JobRegistryTests(JobsFixture jobs) : IClassFixture<JobsFixture>
{
    [Fact]
    public async Task Register_ProcessEnds_LeavesAndItsFileGoes()
    {
        Process process = jobs.Start("cat");
        JobProcess known = jobs.Register(process);
        string file = Path.Combine(jobs.RunDirectory, "jobs", known.Job.Id + ".json");
        Assert.True(File.Exists(file));

        process.StandardInput.Close();
        await jobs.EndedAsync(() => jobs.Registry.Find(process.Id) is null);

        Assert.False(File.Exists(file));
        Assert.False(known.TrySignal(0));
        Assert.True(SpinWait.SpinUntil(() => jobs.Feed.Events.Any(happened => happened.Kind == "ended" && happened.Pid == process.Id), TimeSpan.FromSeconds(30)));
    }

    [Fact]
    public async Task Work_ProcessComesAndEnds_BeginsAndIsOver()
    {
        var work = new Work(jobs.Registry, new Guests(jobs.Options));
        Task began = work.Began;
        Assert.False(began.IsCompleted);
        Process process = jobs.Start("cat");
        jobs.Register(process);
        await began.WaitAsync(TestContext.Current.CancellationToken);
        Assert.True(work.Any);
        Assert.False(work.Began.IsCompleted);

        process.StandardInput.Close();
        await jobs.EndedAsync(() => jobs.Registry.Find(process.Id) is null);
        Assert.Equal(jobs.Registry.Processes.Count > 0, work.Any);
    }

    [Fact]
    public async Task Refresh_Descendants_AreOfTheJob()
    {
        Process root = jobs.Start("sh", "-c", "sh -c 'sleep 1000 & echo $!; wait' & wait");
        JobProcess known = jobs.Register(root);
        int grandchild = int.Parse((await root.StandardOutput.ReadLineAsync(TestContext.Current.CancellationToken))!, CultureInfo.InvariantCulture);

        JobProcess? found = jobs.Registry.Find(grandchild);

        Assert.Equal(known.Job, found?.Job);
        Assert.Contains(jobs.Registry.Processes, process => process.Pid == ProcessStat.Read(grandchild)!.ParentPid);
        found!.TrySignal(9);
        await jobs.EndedAsync(() => jobs.Registry.Processes.All(process => process.Pid != grandchild));
    }

    [Fact]
    public async Task Refresh_ParentEnded_OrphanOfItsSessionIsFoundAndKeepsTheJob()
    {
        Process root = jobs.Start("setsid", "--fork", "--wait", "sh", "-c", "echo $$; read go; sleep 1000 > /dev/null 2>&1 & echo $!");
        JobProcess known = jobs.Register(root);
        int leader = await ReadPidAsync(root);
        Assert.Equal(known.Job, jobs.Registry.Find(leader)?.Job);

        root.StandardInput.WriteLine();
        int orphan = await ReadPidAsync(root);
        using Pidfd pidfd = Pidfd.Open(orphan)!;
        await jobs.EndedAsync(() => known.HasEnded && jobs.Registry.Processes.All(process => process.Pid != leader));

        Assert.Equal(known.Job, jobs.Registry.Find(orphan)?.Job);
        pidfd.TrySignal(9);
        await jobs.EndedAsync(() => jobs.Registry.Processes.All(process => process.Pid != orphan));
    }

    [Fact]
    public void Register_DescendantOfAJob_StaysInThatJob()
    {
        Process root = jobs.Start("sh", "-c", "sleep 1000 & wait");
        JobProcess known = jobs.Register(root);
        int child;
        while ((child = ProcessStat.Children(root.Id).FirstOrDefault()) == 0)
            Thread.Yield();

        JobProcess? nested = jobs.Registry.Register(child, Pidfd.Open(child)!, 0, "nested", stay: false);

        Assert.Equal(known.Job, nested?.Job);
    }

    /// <summary>What a cell's init or another subreaper has for children is no descendant of the job any more.</summary>
    [Fact]
    public void AdoptForked_ParentIsKnown_IsOfItsJob()
    {
        JobProcess parent = Away(jobs.Start("cat"), 0x11, stay: true);
        Process child = jobs.Start("cat");

        JobProcess? forked = jobs.Registry.AdoptForked(0x11, child.Id);

        Assert.Equal((child.Id, parent.Job), (forked?.Pid, forked?.Job));
        Assert.Equal(Residence.AtHome("here"), forked!.Residence);
        Assert.Same(forked, jobs.Registry.AdoptForked(0x11, child.Id));
        Assert.Same(forked, jobs.Registry.Find(child.Id));
    }

    [Fact]
    public async Task AdoptForked_ParentHasEndedAndItsJobHasNot_IsOfItsJob()
    {
        JobProcess parent = Away(jobs.Start("cat"), 0x21);
        JobProcess sibling = jobs.Registry.AdoptForked(0x21, jobs.Start("cat").Id)!;
        await EndAsync(parent);

        JobProcess? forked = jobs.Registry.AdoptForked(0x21, jobs.Start("cat").Id);

        Assert.Equal(sibling.Job, forked?.Job);
        Assert.Equal(parent.Job, forked?.Job);
    }

    [Fact]
    public async Task AdoptForked_ParentAndItsJobHaveEnded_IsAJobOfTheSameKind()
    {
        JobProcess parent = Away(jobs.Start("cat"), 0x31, stay: true, uid: 4711);
        await EndAsync(parent);
        Process child = jobs.Start("cat");

        JobProcess forked = jobs.Registry.AdoptForked(0x31, child.Id)!;

        Assert.NotEqual(parent.Job.Id, forked.Job.Id);
        Assert.Equal((child.Id, 4711u, true), (forked.Job.RootPid, forked.Job.Uid, forked.Job.Stay));
        Assert.Equal("cat", forked.Job.Command);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(0x4444)]
    public void AdoptForked_ParentIsUnknown_IsAJobOfItsOwnUser(ulong parentKey)
    {
        jobs.Register(jobs.Start("cat")); // whose key is 0, too
        Process child = jobs.Start("cat");

        JobProcess forked = jobs.Registry.AdoptForked(parentKey, child.Id)!;

        Assert.Equal((child.Id, ProcessStat.Read(child.Id)!.Uid(), false), (forked.Job.RootPid, forked.Job.Uid, forked.Job.Stay));
    }

    [Fact]
    public async Task AdoptForked_ParentIsUnknownAndAnAncestorIsInAJob_IsOfThatJob()
    {
        Process root = jobs.Start("sh", "-c", "sleep 1000 & echo $!; wait");
        JobProcess known = jobs.Register(root);
        int child = await ReadPidAsync(root);

        Assert.Equal(known.Job, jobs.Registry.AdoptForked(0x5555, child)?.Job);
    }

    [Fact]
    public async Task AdoptForked_EndedAlready_IsNull()
    {
        Away(jobs.Start("cat"), 0x61);
        Process child = jobs.Start("true");
        await child.WaitForExitAsync(TestContext.Current.CancellationToken);

        Assert.Null(jobs.Registry.AdoptForked(0x61, child.Id));
    }

    private JobProcess Away(Process process, ulong key, bool stay = false, uint uid = 0)
    {
        JobProcess away = jobs.Registry.Register(process.Id, Pidfd.Open(process.Id)!, uid, "command", stay)!;
        away.Residence = new Residence(Place.Away, "there", key, 1);
        jobs.Registry.Save(away);
        return away;
    }

    private async Task EndAsync(JobProcess process)
    {
        process.TrySignal(9);
        await jobs.EndedAsync(() => process.HasEnded);
    }

    private static async Task<int> ReadPidAsync(Process process) =>
        int.Parse((await process.StandardOutput.ReadLineAsync(TestContext.Current.CancellationToken))!, CultureInfo.InvariantCulture);

    [Fact]
    public void Register_EndedAlready_IsNull()
    {
        Process process = jobs.Start("true");
        using Pidfd? pidfd = Pidfd.Open(process.Id);
        process.WaitForExit();

        Assert.Null(pidfd is null ? null : jobs.Registry.Register(process.Id, pidfd, 0, "true", stay: false));
    }
}

public sealed class JobRegistryRestartTests : IAsyncLifetime
{
    private readonly JobsFixture _jobs = new();

    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    public ValueTask DisposeAsync() => _jobs.DisposeAsync();

    [Fact]
    public async Task Restart_JobsRun_AreFoundWithTheirHistory()
    {
        Process root = _jobs.Start("sh", "-c", "sleep 1000 & echo $!; wait");
        JobProcess before = _jobs.Register(root, stay: true);
        int child = int.Parse((await root.StandardOutput.ReadLineAsync(TestContext.Current.CancellationToken))!, CultureInfo.InvariantCulture);
        Assert.NotNull(_jobs.Registry.Find(child));
        before.Residence = new Residence(Place.Away, "there", 77, 3);
        (before.Moves, before.LastMove) = (5, "moved");
        _jobs.Registry.Save(before);

        _jobs.Restart();

        JobProcess? after = _jobs.Registry.FindByKey(77);
        Assert.Equal(before.Job, after?.Job);
        Assert.Equal(before.Residence, after!.Residence);
        Assert.Equal((5u, "moved"), (after.Moves, after.LastMove));
        Assert.NotNull(_jobs.Registry.Find(child));

        root.Kill(entireProcessTree: true);
        await _jobs.EndedAsync(() => _jobs.Registry.Processes.Count == 0);
    }

    [Fact]
    public void Restart_PidIsAnotherProcessNow_IsNotTakenForIt()
    {
        Process process = _jobs.Start("cat");
        JobProcess known = _jobs.Register(process);
        string file = Path.Combine(_jobs.RunDirectory, "jobs", known.Job.Id + ".json");
        File.WriteAllText(file, File.ReadAllText(file).Replace($"\"StartTicks\": {known.StartTicks}", $"\"StartTicks\": {known.StartTicks - 1}", StringComparison.Ordinal));

        _jobs.Restart();

        Assert.Empty(_jobs.Registry.Processes);
        Assert.False(File.Exists(file));
    }

    [Theory]
    [InlineData("")]
    [InlineData("{}")]
    [InlineData("{ \"Job\": null")]
    [InlineData("[1, 2]")]
    public void Restart_FileIsBroken_OthersAreFound(string content)
    {
        JobProcess known = _jobs.Register(_jobs.Start("cat"));
        File.WriteAllText(Path.Combine(_jobs.RunDirectory, "jobs", "broken.json"), content);

        _jobs.Restart();

        Assert.Equal([known.Pid], _jobs.Registry.Processes.Select(process => process.Pid));
    }
}
