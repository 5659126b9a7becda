using System.Globalization;
using OpenMosix.Compat.Running;

namespace OpenMosix.Compat.Stress;

/// <summary>What stress-ng said of one run of a stressor.</summary>
/// <param name="Word">passed, skipped, failed or hangs.</param>
/// <param name="Why">Of what did not pass, the line that says why.</param>
/// <param name="OperationsPerSecond">Bogo operations; null where it counted none.</param>
internal sealed record StressOutcome(string Word, string Why, double? OperationsPerSecond)
{
    // stress-ng(1), EXIT STATUS
    private const int NoResource = 3, NotImplemented = 4;

    internal static StressOutcome Of(Run run, string log)
    {
        var lines = log.Split('\n');
        if (run.Hung)
        {
            return new StressOutcome("hangs", run.Why, null);
        }

        var skipped = run.Status is NoResource or NotImplemented || log.Contains("No stress workers invoked", StringComparison.Ordinal);
        return (skipped, run.Status) switch
        {
            (true, _) => new StressOutcome("skipped", Line(lines, "skip", "not ", "need", "error:"), null),
            (_, 0) => new StressOutcome("passed", "", Operations(lines)),
            (_, var status) => new StressOutcome("failed", $"status {status}: {Line(lines, "fail:", "error:", "terminated", "killed", "info:")}", null),
        };
    }

    // The first that has the first of these words that any has, without `stress-ng: fail:  [123] `.
    private static string Line(string[] lines, params string[] words)
    {
        var line = words.Select(word => lines.FirstOrDefault(line => line.Contains(word, StringComparison.Ordinal))).FirstOrDefault(line => line is not null) ?? "";
        return line[(line.IndexOf("] ", StringComparison.Ordinal) is var at and >= 0 ? at + 2 : 0)..].Trim();
    }

    // stress-ng: metrc: [7143] cpu  1198  1.01  0.69  0.00  1189.33  1745.97
    private static double? Operations(string[] lines) => lines.Where(line => line.StartsWith("stress-ng: metrc:", StringComparison.Ordinal))
        .Select(line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries)).Where(fields => fields.Length == 10)
        .Select(fields => double.TryParse(fields[8], NumberStyles.Float, CultureInfo.InvariantCulture, out var rate) ? rate : (double?)null)
        .FirstOrDefault(rate => rate is not null);
}
