using System.Text;

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

        using var alone = Job.StartNative(lab, program.Script);
        Prepare(alone);
        await FeedAsync(alone, program, _ => Task.CompletedTask);
        var native = await alone.EndAsync();

        using var job = Job.Start(lab, program.Script);
        Prepare(job);
        var mover = new Mover(lab, await job.NextPidAsync(), 4711);
        // Half of the moves catch it at what it was just given, the other half later; all of them before its input ends.
        await FeedAsync(job, program, portion => portion % 2 == 0 ? mover.MoveAsync(1, portion % 4 == 0 ? 15 : 150) : Task.CompletedTask);
        var result = await job.EndAsync(mover);
        result.MustEqual(native, mover.History);
        Assert.True(mover.Moves == Moves, $"moved {mover.Moves} of {Moves} times\n{mover.History}");
    }

    private static void Prepare(Job job) => File.WriteAllText(Path.Combine(job.Folder, "table.py"), Programs.Table);

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

    private static bool OnPath(string program) =>
        (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':').Any(directory => File.Exists(Path.Combine(directory, program)));
}
