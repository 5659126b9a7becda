using System.Globalization;
using OpenMosix.Compat.Pages;

namespace OpenMosix.Compat.Applications;

/// <summary>RESULTS.md: a row for each case; those that were not run this time keep theirs.</summary>
internal sealed class ResultsPage(IReadOnlyList<ApplicationCase> all, IReadOnlyDictionary<string, string> versions)
{
    private const string Head = """
        # Real applications, natively and moved

        {0}. Made by `make compat`; each row says when it was made.

        Each case runs on pc1 of a lab of three nodes, first natively, then under `omrun` while every process of the job is moved to a random other node (home
        included): as soon as it is seen, and again 300 ms after each attempt. *Equal*: exit status, stdout and stderr are the same, after what the case declares to
        differ by nature (times, pids) was taken out. *Moved*: how often a process was moved. *×*: times as
        long as natively, or, of a case that runs for a fixed time, as much less done. *Calls* and *forwarded*: system calls that bodies had executed at
        home, and what went over home's network without the pages of moves, in MiB (gossip of the nodes included); *pages*: what moves shipped, in MiB.
        *Not moved*: refusals and failures by name, and how often; the process went on where it was.

        {1}

        | case | what | equal | moved | native s | moved s | × | calls | forwarded | pages | not moved | made |
        |---|---|---|---:|---:|---:|---:|---:|---:|---:|---|---|
        """;

    private static readonly string File = Path.Combine(Repository.Compat, "RESULTS.md");
    private readonly PageRows _rows = new(File);

    /// <returns>The row, for a terminal.</returns>
    internal string Add(ApplicationCase application, ApplicationResult result)
    {
        var equal = result.Fault is null ? "yes" : result.Moved is null ? "not run" : result.Moved.Run.Hung ? "hangs" : "no";
        string[] measured = result is { Native: { } native, Moved: { } moved }
            ?
            [
                $"{moved.Tally.Moves}", Seconds(native.Wall), Seconds(moved.Run.Wall), Number(result.Slowdown, "0.0"), $"{moved.Tally.ForwardedCalls}",
                MiB(moved.ForwardedBytes), MiB(moved.Tally.ImageBytes), Reasons.Cell(moved.Tally),
            ]
            : ["", "", "", "", "", "", "", ""];
        _rows.Set(application.Name, [application.What, equal, .. measured, Machine.Date], result.Fault);
        return $"{equal}, moved {measured[0]} times, {measured[1]} s natively, {measured[2]} s moved; {measured[7]} {result.Fault}";
    }

    internal void Save()
    {
        string[] names = [.. all.Select(each => each.Name)];
        string[] rows = [.. _rows.Rows(names)];
        string[] remarks = [.. _rows.Remarks(names)];
        List<string> page = [string.Format(CultureInfo.InvariantCulture, Head, Machine.Description, Sum(rows)), .. rows];
        if (remarks.Length > 0)
        {
            page.AddRange(["", "## What was not equal", "", .. remarks]);
        }

        page.AddRange(["", "## Why processes were not moved", "", .. Reasons.Explain(rows)]);
        page.AddRange(["", "## Packages", "", string.Join(", ", versions.OrderBy(each => each.Key, StringComparer.Ordinal).Select(each => $"{each.Key} {each.Value}"))]);
        System.IO.File.WriteAllLines(File, page);
    }

    private static string Sum(string[] rows)
    {
        var cells = rows.Select(row => row.Split(" | ")).ToArray();
        var equal = cells.Where(row => row[2] == "yes").ToArray();
        return $"Of {rows.Length} cases {equal.Length} are equal; {equal.Count(row => row[3] is not "" and not "0")} of these were away.";
    }

    private static string Seconds(TimeSpan time) => Number(time.TotalSeconds, "0.0");

    private static string MiB(long bytes) => Number(bytes / 1048576.0, "0.0");

    private static string Number(double number, string format) => number.ToString(format, CultureInfo.InvariantCulture);
}
