using System.Text;
using OpenMosix.Lab.Tests.Running;

namespace OpenMosix.Lab.Tests.Integration;

/// <summary>Real programs, each moved 20 times at random moments between three nodes: byte-identical output, the same status.</summary>
[Collection(ClusterCollection.Name)]
public sealed class ProgramTests(ClusterLab lab)
{
    private const int Moves = 20;
    private const int Portions = 40;

    public static TheoryData<string> All()
    {
        var names = new TheoryData<string>();
        names.AddRange(Programs.All.Select(program => program.Name).ToArray());
        return names;
    }

    [Theory]
    [MemberData(nameof(All))]
    public async Task Program_MovedTwentyTimes_SameBytesAndStatus(string name)
    {
        lab.Need();
        var program = Programs.All.Single(each => each.Name == name);
        Assert.SkipUnless(OnPath(program.Needs), $"{program.Needs} is not installed");
        Assert.SkipUnless(program.Probe is null || await SucceedsAsync(program.Probe), $"fails here: {program.Probe}");

        using var alone = Job.StartNative(lab, program.Script, Programs.Files);
        await FeedAsync(alone, program, _ => Task.CompletedTask);
        var native = await alone.EndAsync();

        using var job = Job.Start(lab, program.Script, beside: Programs.Files);
        var mover = new Mover(lab, await job.NextPidAsync(), 4711);
        // Half of the moves catch it at what it was just given, the other half later; all of them before its input ends.
        await FeedAsync(job, program, portion => portion % 2 == 0 ? mover.MoveAsync(1, portion % 4 == 0 ? 15 : 150) : Task.CompletedTask);
        var result = await job.EndAsync(mover);
        result.MustEqual(native, mover.History);
        Assert.True(mover.Moves == Moves, $"moved {mover.Moves} of {Moves} times\n{mover.History}");
    }

    private static async Task FeedAsync(Job job, ProgramCase program, Func<int, Task> then)
    {
        for (var portion = 0; portion < Portions; portion++)
        {
            var bytes = Encoding.ASCII.GetBytes(program.Portion(portion));
            // Not awaited before the move: a program that is stopped reads nothing, and must not keep us from letting it go on.
            var written = job.Program.Input.WriteAsync(bytes).AsTask();
            await then(portion);
            await written;
            await job.Program.Input.FlushAsync();
        }
    }

    private static async Task<bool> SucceedsAsync(string command)
    {
        using var probe = RunningProgram.Start("/bin/sh", ["-c", command]);
        return (await probe.EndAsync()).Status == 0;
    }

    private static bool OnPath(string program) =>
        (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':').Any(directory => File.Exists(Path.Combine(directory, program)));
}
