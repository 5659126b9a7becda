using OpenMosix.Compat.Running;

namespace OpenMosix.Compat.Stress;

/// <summary>One stressor, natively and then moved; what was said is kept in out/compat/stress-NAME.</summary>
internal sealed class StressRun(Stressor stressor, HomeNode node, Workspace space, CancellationToken stop)
{
    private const int Seed = 4711;
    private const int Seconds = 5;
    // Natively none takes longer than 20 s; one that is moved has more to do at its end.
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    private readonly string _kept = Path.Combine(Repository.Kept, "stress-" + stressor.Name);

    internal async Task<StressResult> RunAsync()
    {
        Directory.CreateDirectory(_kept);
        Array.ForEach(Directory.GetFiles(_kept), File.Delete);
        space.Clear();
        var native = await OutcomeAsync(await node.RunAsync(Script(moved: false), Limit, stop), "native");
        if (native.Word is "skipped" or "hangs")
        {
            return new StressResult(native);
        }

        space.Clear();
        var begin = DateTime.UtcNow;
        var moved = await node.RunMovedAsync(Script(moved: true), Limit, Seed, stop);
        var outcome = await OutcomeAsync(moved.Run, "moved");
        await File.WriteAllTextAsync(Path.Combine(_kept, "moves"), moved.Tally.History, stop);
        await File.WriteAllTextAsync(Path.Combine(_kept, "logs"), node.Log(begin), stop);
        if (moved.Run.Hung)
        {
            await File.WriteAllTextAsync(Path.Combine(_kept, "hang"), moved.Run.Evidence, stop);
            node.Renew(stop);
        }

        return new StressResult(native, outcome, moved.Tally);
    }

    private Script Script(bool moved) => new(
        $"cd $WORK && exec {(moved ? "omrun -- " : "")}stress-ng --{stressor.Name} 1 --timeout {Seconds} --verify --metrics-brief --temp-path $TMPDIR > $OUT/stdout 2>&1 < /dev/null",
        space.Work, space.Environment(moved), stressor.User);

    private async Task<StressOutcome> OutcomeAsync(Run run, string name)
    {
        var log = await File.ReadAllTextAsync(Path.Combine(space.Output, "stdout"), stop);
        await File.WriteAllTextAsync(Path.Combine(_kept, name), log, stop);
        return StressOutcome.Of(run, log);
    }
}
