using System.Globalization;
using OpenMosix.Compat.Moving;
using OpenMosix.Compat.Running;

namespace OpenMosix.Compat.Applications;

/// <summary>One case, natively and then moved, and what differs. What both wrote is kept in out/compat/NAME.</summary>
internal sealed class ApplicationRun(ApplicationCase application, HomeNode node, Workspace space, CancellationToken stop)
{
    private const int Seed = 4711;
    private static readonly TimeSpan NativeLimit = TimeSpan.FromMinutes(5);

    private readonly string _kept = Path.Combine(Repository.Kept, application.Name);

    internal async Task<ApplicationResult> RunAsync()
    {
        Directory.CreateDirectory(_kept);
        Array.ForEach(Directory.GetFiles(_kept), File.Delete);
        if (application.Source is { } source && !Packages.Unpack(source, space.Cache))
        {
            return new ApplicationResult($"cannot: no source of {source}");
        }

        if (await PrepareAsync(moved: false) is { } fault)
        {
            return new ApplicationResult(fault);
        }

        var native = await node.RunAsync(Script("run", moved: false), NativeLimit, stop);
        var wanted = await WrittenAsync("native");
        var work = Work();
        if (native.Hung)
        {
            return new ApplicationResult("hangs natively");
        }

        if (await PrepareAsync(moved: true) is { } again)
        {
            return new ApplicationResult(again);
        }

        var begin = DateTime.UtcNow;
        var moved = await node.RunMovedAsync(Script("run", moved: true), (native.Wall * 20) + TimeSpan.FromMinutes(1), Seed, stop);
        var written = await WrittenAsync("moved");
        await File.WriteAllTextAsync(Path.Combine(_kept, "moves"), moved.Tally.History, stop);
        await File.WriteAllTextAsync(Path.Combine(_kept, "logs"), node.Log(begin), stop);
        if (moved.Run.Hung)
        {
            await File.WriteAllTextAsync(Path.Combine(_kept, "hang"), moved.Run.Evidence, stop);
            node.Renew(stop);
        }

        var slowdown = Work() is > 0 and var done && work is { } wantedWork ? wantedWork / done : moved.Run.Wall / native.Wall;
        return new ApplicationResult(Difference(native, wanted, moved.Run, written), native, moved, slowdown);
    }

    private async Task<string?> PrepareAsync(bool moved)
    {
        space.Clear();
        var run = await node.RunAsync(Script("prepare", moved), NativeLimit, stop);
        return run.Status == 0 ? null : $"cannot be prepared: {await LastLineAsync("stderr")}";
    }

    private Script Script(string function, bool moved) => new(
        $"exec > $OUT/{(function == "prepare" ? "prepared" : "stdout")} 2> $OUT/stderr < /dev/null; {application.Script(function)}", space.Work, space.Environment(moved), application.User);

    // Of a case that runs for a fixed time: how much it got done.
    private double? Work() => File.Exists(Path.Combine(space.Output, "work"))
        && double.TryParse(File.ReadAllText(Path.Combine(space.Output, "work")), NumberStyles.Float, CultureInfo.InvariantCulture, out var work)
            ? work
            : null;

    /// <returns>Both streams, without what may differ.</returns>
    private async Task<(string Output, string Errors)> WrittenAsync(string run)
    {
        foreach (var stream in (string[])["stdout", "stderr"])
        {
            File.Copy(Path.Combine(space.Output, stream), Path.Combine(_kept, $"{run}.{stream}"), overwrite: true);
            await node.RunAsync(
                new Script($"{application.Script("normalise")} < {_kept}/{run}.{stream} > {_kept}/{run}.{stream}.same 2>&1", space.Work, space.Environment(false)), NativeLimit, stop);
        }

        return (await SameAsync($"{run}.stdout.same"), await SameAsync($"{run}.stderr.same"));
    }

    // Where this machine has the checkout and the run's directories is nobody's business.
    private async Task<string> SameAsync(string name) => (await File.ReadAllTextAsync(Path.Combine(_kept, name), stop))
        .Replace(Repository.Compat, "tests/Compat", StringComparison.Ordinal).Replace(space.Work, "WORK", StringComparison.Ordinal);

    private async Task<string> LastLineAsync(string stream) =>
        (await File.ReadAllLinesAsync(Path.Combine(space.Output, stream), stop)).LastOrDefault() ?? "";

    private static string? Difference(Run native, (string Output, string Errors) wanted, Run moved, (string Output, string Errors) written)
    {
        if (moved.Hung)
        {
            return $"killed after {moved.Wall.TotalSeconds:0} s; {moved.Why}";
        }

        List<string> different = [];
        if (native.Status != moved.Status)
        {
            different.Add($"status {moved.Status}, natively {native.Status}");
        }

        AddLine("stdout", wanted.Output, written.Output);
        AddLine("stderr", wanted.Errors, written.Errors);
        return different.Count == 0 ? null : string.Join("; ", different);

        void AddLine(string stream, string natively, string otherwise)
        {
            if (natively == otherwise)
            {
                return;
            }

            var (one, other) = (natively.Split('\n'), otherwise.Split('\n'));
            var at = one.Zip(other).TakeWhile(pair => pair.First == pair.Second).Count();
            different.Add($"{stream} line {at + 1} is “{Line(other, at)}”, natively “{Line(one, at)}”");
        }

        static string Line(string[] lines, int at) => at < lines.Length ? lines[at][..Math.Min(160, lines[at].Length)] : "";
    }
}
