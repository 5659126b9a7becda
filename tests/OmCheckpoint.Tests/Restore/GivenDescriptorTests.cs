using OpenMosix.Checkpoint.Freeze;
using OpenMosix.Checkpoint.Interop;
using OpenMosix.Checkpoint.Tracing;

namespace OpenMosix.Checkpoint.Tests.Restore;

public sealed class GivenDescriptorTests
{
    [RootFact]
    public void To_AStoppedProcess_ItHasTheDescriptorAndNothingElse()
    {
        using var guest = Sharing.Start();
        var before = Descriptors(guest.Pid);
        var path = Path.GetTempFileName();
        try
        {
            using var given = File.OpenHandle(path);
            var number = InAgent(guest.Pid, (agent, tracee) =>
            {
                var there = GivenDescriptor.To(agent, tracee.Tid, given);
                Assert.Equal(path, new FileInfo(Sharing.Invariant($"/proc/{guest.Pid}/fd/{there}")).LinkTarget);
                Assert.Contains("flags:\t02", File.ReadAllText(Sharing.Invariant($"/proc/{guest.Pid}/fdinfo/{there}")), StringComparison.Ordinal); // O_CLOEXEC
                Assert.Equal(before.Count + 1, Descriptors(guest.Pid).Count);
                return there;
            });
            guest.Must($"close {number}");
            Assert.Equal(before, Descriptors(guest.Pid));
        }
        finally
        {
            File.Delete(path);
        }
    }

    [RootTheory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    public void To_AProcessWithoutRoom_FailsByNameAndLeavesNothing(int room)
    {
        using var guest = Sharing.Start();
        guest.Must($"exhaust {room}");
        var before = Descriptors(guest.Pid);
        using var given = File.OpenHandle("/dev/null");
        InAgent(guest.Pid, (agent, tracee) =>
        {
            Assert.Equal(Errno.EMFILE, Assert.Throws<TraceeException>(() => GivenDescriptor.To(agent, tracee.Tid, given)).Error);
            return 0;
        });
        Assert.Equal(before, Descriptors(guest.Pid));
        guest.Must("anonymous 1 4096");
    }

    [RootFact]
    public void To_AProcessWithJustEnoughRoom_Arrives()
    {
        using var guest = Sharing.Start();
        guest.Must("exhaust 3");
        var before = Descriptors(guest.Pid);
        using var given = File.OpenHandle("/dev/null");
        var number = InAgent(guest.Pid, (agent, tracee) => GivenDescriptor.To(agent, tracee.Tid, given));
        guest.Must($"close {number}");
        Assert.Equal(before, Descriptors(guest.Pid));
    }

    private static T InAgent<T>(int pid, Func<Agent, Tracee, T> work)
    {
        using var thread = new TracerThread(pid);
        return thread.Invoke(() =>
        {
            var stopped = ProcessStop.All(pid, new FreezeOptions(), CancellationToken.None);
            Assert.True(stopped.Ok, stopped.ToString());
            try
            {
                return work(stopped.Value.Agent(), stopped.Value.First.Tracee);
            }
            finally
            {
                stopped.Value.LetGo();
            }
        });
    }

    private static List<string> Descriptors(int pid) =>
        [.. Directory.GetFileSystemEntries(Sharing.Invariant($"/proc/{pid}/fd")).Select(path => Path.GetFileName(path)!).Order()];
}
