using System.Diagnostics;
using OpenMosix.Checkpoint.Freeze;
using OpenMosix.Checkpoint.Restore;
using OpenMosix.Protocol.V1;
using OpenMosix.Warden.Cell;
using OpenMosix.Warden.Tests.Harness;

namespace OpenMosix.Warden.Tests.Cell;

/// <summary>A hostile body in a real cell, without its filter: the walls alone must hold.</summary>
public sealed class PrisonerTests
{
    [Fact]
    public async Task Prisoner_InACell_ReachesNothing()
    {
        Privileged.OrSkip();
        // Not our own child: the runtime waits for those and would take the stops that the tracer waits for.
        var start = new ProcessStartInfo("/bin/sh") { RedirectStandardOutput = true };
        start.ArgumentList.Add("-c");
        start.ArgumentList.Add($"{Repository.Output("tests/prisoner")} {Environment.ProcessId} & wait");
        using Process shell = Process.Start(start)!;
        int prisoner = int.Parse((await shell.StandardOutput.ReadLineAsync(TestContext.Current.CancellationToken))!, System.Globalization.CultureInfo.InvariantCulture);
        using var prisonerFd = Interop.Processes.OpenPidfd(prisoner)!;
        CellProcess? cell = null;
        try
        {
            using FrozenProcess frozen = FrozenProcess.Freeze(prisoner, null, TestContext.Current.CancellationToken).Value;
            ProcessImage image = frozen.Snapshot(new() { Node = "pc1" }).Value;
            cell = CellProcess.Create(new()
            {
                Helper = Repository.Output("lib/omcell"),
                Instance = "prison" + Environment.ProcessId,
                Name = "1",
                InnerPid = image.Pid,
                FirstId = SubordinateIds.Draw(new HashSet<uint>()),
                Hostname = image.HomeHostname,
                Limits = new() { MemoryBytes = 256 << 20, Pids = 16 },
                Clock = new(0, 0),
            }, CgroupTree.Find());
            var ended = new TaskCompletionSource<CellReport>(TaskCreationOptions.RunContinuationsAsynchronously);
            cell.Watch("prison", report =>
            {
                if (report.Pid == image.Pid)
                    ended.TrySetResult(report);
            });
            using RestoringProcess body = RestoringProcess.Begin(cell.BodyPid, image).Value;
            TestMove.Copy(new() { Image = image, MemoryPid = prisoner }, new() { MemoryPid = cell.BodyPid, FileBase = { body.FileBases } });
            Assert.True(body.Finish().Ok);
            Assert.True(body.Run().Ok);
            CellReport exit = await ended.Task.WaitAsync(TimeSpan.FromSeconds(60), TestContext.Current.CancellationToken);
            Assert.Equal(0, exit.Status >> 8 & 0xff); // or the number of the attempt that reached something
            Assert.Equal(0, exit.Status & 0x7f);
        }
        finally
        {
            Interop.Processes.SendSignal(prisonerFd, 9);
            Assert.True(cell is null || cell.End());
        }
    }
}
