using System.Diagnostics;
using OpenMosix.Checkpoint.Freeze;
using OpenMosix.Checkpoint.Restore;

namespace OpenMosix.Checkpoint.Tests.Threads;

/// <summary>What the stages cost with many threads, printed: figures of a shared machine are nothing to fail by.</summary>
public sealed class ThreadTimingTests
{
    private const int Times = 8;

    [RootTheory]
    [InlineData("threads", 200)]
    [InlineData("sleepers", 200)]
    [InlineData("sleepers", 1000)]
    public void Stages_OfManyThreads_PrintWhatTheyCost(string program, int threads)
    {
        using var guest = Guest.Start(program, $"{threads}");
        guest.Expect("ready");
        var costs = new SortedDictionary<string, List<double>>();
        for (var i = 0; i < Times; i++)
        {
            using var frozen = Measure(costs, "1 freeze", () => ThreadFreezeTests.Freeze(guest.Pid));
            var image = Measure(costs, "2 snapshot", () => frozen.Snapshot());
            Assert.True(image.Ok, image.ToString());
            var deputy = Measure(costs, "3 deputize", () => frozen.Deputize(image.Value));
            Assert.True(deputy.Ok, deputy.ToString());
            deputy.Value.Dispose();
            var back = Measure(costs, "4 take back", () => RestoringProcess.TakeBack(guest.Pid, image.Value));
            Assert.True(back.Ok, back.ToString());
        }

        foreach (var (stage, all) in costs)
        {
            all.Sort();
            TestContext.Current.TestOutputHelper?.WriteLine($"{program} {threads}: {stage}: {all[0]:f1} to {all[^1]:f1} ms, median {all[Times / 2]:f1}");
        }

        guest.Send("x");
        guest.ExpectGoodEnd();
    }

    private static T Measure<T>(SortedDictionary<string, List<double>> costs, string stage, Func<T> work)
    {
        var begin = Stopwatch.GetTimestamp();
        var result = work();
        if (!costs.TryGetValue(stage, out var all))
        {
            costs.Add(stage, all = []);
        }

        all.Add(Stopwatch.GetElapsedTime(begin).TotalMilliseconds);
        return result;
    }
}
