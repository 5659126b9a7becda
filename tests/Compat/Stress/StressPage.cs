using System.Globalization;
using OpenMosix.Compat.Pages;

namespace OpenMosix.Compat.Stress;

/// <summary>STRESS.md: a row for each stressor; those that were not run this time keep theirs. Several labs add to it.</summary>
internal sealed class StressPage(IReadOnlyList<Stressor> all, string version)
{
    private const string Head = """
        # stress-ng, natively and moved

        stress-ng {1} on {0}. Made by `make stress`; each row says when it was made.

        `stress-ng --STRESSOR 1 --timeout 5 --verify` on pc1 of a lab of three nodes with 4 GiB each, first natively, then under `omrun` while every process of it is
        moved to a random other node (home included): as soon as it is seen, and again 300 ms after each attempt. All run as nobody, because as root
        some of them would harm the machine (reboot, take CPUs offline, write to devices); those marked *root* want a privilege for something harmless.
        *×*: how much fewer bogo operations a second. *Not moved*: refusals and failures by name, and how often.

        {2}

        | stressor | classes | as | native | moved | moves | × | not moved | made |
        |---|---|---|---|---|---:|---:|---|---|
        """;

    private static readonly string File = Path.Combine(Repository.Compat, "STRESS.md");
    private readonly PageRows _rows = new(File);
    private readonly Lock _lock = new();

    internal void Add(Stressor stressor, StressResult result)
    {
        var slowdown = result is { Native.OperationsPerSecond: { } native, Moved.OperationsPerSecond: > 0 and var moved } ? (native / moved).ToString("0.0", CultureInfo.InvariantCulture) : "";
        string[] cells =
        [
            string.Join(' ', stressor.Classes), stressor.AsRoot ? "root" : "nobody", result.Native.Word, result.Moved?.Word ?? "", $"{result.Tally?.Moves}", slowdown,
            result.Tally is null ? "" : Reasons.Cell(result.Tally), Machine.Date,
        ];
        var remark = (result.Native.Why, result.Moved?.Why) switch
        {
            ("", null or "") => null,
            (var why, null or "") => $"natively: {why}",
            ("", var why) => $"moved: {why}",
            var (natively, why) => $"natively: {natively}; moved: {why}",
        };
        lock (_lock)
        {
            _rows.Set(stressor.Name, cells, remark);
            Save();
            Console.WriteLine($"{stressor.Name}: natively {cells[2]}, moved {cells[3]}, {cells[4]} moves; {cells[6]} {remark}");
        }
    }

    private void Save()
    {
        string[] names = [.. all.Select(each => each.Name)];
        string[] rows = [.. _rows.Rows(names)];
        string[] remarks = [.. _rows.Remarks(names)];
        List<string> page = [string.Format(CultureInfo.InvariantCulture, Head, Machine.Description, version, Sum(rows)), .. rows];
        page.AddRange(["", "## What did not pass", "", .. remarks, "", "## Why processes were not moved", "", .. Reasons.Explain(rows)]);
        System.IO.File.WriteAllLines(File, page);
    }

    private static string Sum(string[] rows)
    {
        var cells = rows.Select(row => row.Split(" | ")).ToArray();
        var native = cells.Where(row => row[3] == "passed").ToArray();
        return $"Of {rows.Length} stressors {native.Length} pass natively, {native.Count(row => row[4] == "passed")} of these moved; {native.Count(row => row[5] is not "" and not "0")} of them were away.";
    }
}
