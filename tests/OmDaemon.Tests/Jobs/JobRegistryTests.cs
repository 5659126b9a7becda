using System.Diagnostics;
using System.Globalization;
using OpenMosix.Daemon.Interop;
using OpenMosix.Daemon.Jobs;

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
