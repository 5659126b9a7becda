using System.Diagnostics;
using System.Globalization;
using System.Text;

namespace OpenMosix.Bench.Compute;

/// <summary>
/// A program that only computes: alone, under omrun at home, and moved away, in a lab of two nodes; one after the other, round by round, so that
/// what else the machine does falls on all three. Its own user CPU time counts, not the clock.
/// </summary>
internal static class ComputeBench
{
    private const int Rounds = 9;

    private static readonly string[] Kinds = ["integer", "floating", "memory"];
    private static readonly string Out = Path.GetFullPath(Path.Combine(AppContext.BaseDirectory, "../../../.."));
    private static readonly string Lab = $"bench{Environment.ProcessId}";

    public static async Task<int> RunAsync(string resultsPath)
    {
        await OmlabAsync("up", "2");
        try
        {
            string table = await MeasureAsync();
            Console.Write(table);
            await File.WriteAllTextAsync(resultsPath, table);
        }
        finally
        {
            await OmlabAsync("down");
        }
        return 0;
    }

    private static async Task<string> MeasureAsync()
    {
        string loadBefore = Load();
        using Place native = new("native", Start("exec", "pc1", "--", Program));
        using Place home = new("under omrun at home", Start("exec", "pc1", "--", "omrun", "--", Program));
        using Place away = new("moved away", Start("exec", "pc1", "--", "omrun", "--", Program));
        Place[] places = [native, home, away];
        await native.PidAsync();
        await home.PidAsync();
        await OmlabAsync("exec", "pc1", "--", "omctl", "migrate", await away.PidAsync(), "pc2");

        var times = Kinds.ToDictionary(kind => kind, _ => places.ToDictionary(place => place, _ => new List<double>()));
        for (int round = 0; round <= Rounds; round++)
            foreach (string kind in Kinds)
            {
                string? expected = null;
                for (int i = 0; i < places.Length; i++)
                {
                    Place place = places[(i + round) % places.Length]; // whoever comes first has no advantage of it
                    (double us, string result) = await place.WorkAsync(kind);
                    if ((expected ??= result) != result)
                        throw new InvalidOperationException($"{kind}, {place.Name}: {result} instead of {expected}");
                    if (round > 0) // the first is to warm up
                        times[kind][place].Add(us);
                }
            }
        return Describe(times, places, loadBefore);
    }

    private static string Describe(Dictionary<string, Dictionary<Place, List<double>>> times, Place[] places, string loadBefore)
    {
        var text = new StringBuilder();
        text.AppendLine("# What computing costs").AppendLine();
        text.AppendLine("Written by `make bench`. User CPU time of a program that only computes (compute.c), median of the rounds; ratios are medians of the rounds'");
        text.AppendLine("ratios, with the least and the greatest. The 64 MiB that `memory` walks through were written before the move, and");
        text.AppendLine("travelled: where the kernel gives huge pages to those who ask (transparent_hugepage: madvise), they lie in such at the target.").AppendLine();
        text.AppendLine(CultureInfo.InvariantCulture, $"{DateTime.UtcNow:yyyy-MM-dd HH:mm} UTC, Linux {Environment.OSVersion.Version}, {Environment.ProcessorCount} CPUs, {Rounds} rounds after one to warm up;");
        text.AppendLine(CultureInfo.InvariantCulture, $"load (1, 5, 15 minutes) {loadBefore} before, {Load()} after. {HardwareCounters.Describe()}").AppendLine();
        text.AppendLine("| work | native, ms | at home / native | away / native |").AppendLine("|---|---|---|---|");
        foreach ((string kind, Dictionary<Place, List<double>> of) in times)
            text.AppendLine(CultureInfo.InvariantCulture, $"| {kind} | {Median(of[places[0]]) / 1000:0.0} | {Ratio(of[places[1]], of[places[0]])} | {Ratio(of[places[2]], of[places[0]])} |");
        return text.ToString();
    }

    private static string Ratio(List<double> of, List<double> native)
    {
        double[] ratios = [.. of.Zip(native, (one, other) => one / other)];
        return string.Create(CultureInfo.InvariantCulture, $"{Median(ratios):0.000} ({ratios.Min():0.000} to {ratios.Max():0.000})");
    }

    private static double Median(IReadOnlyCollection<double> all) => all.Order().ElementAt(all.Count / 2);

    private static string Load() => string.Join(' ', File.ReadAllText("/proc/loadavg").Split(' ').Take(3));

    private static string Program => Path.Combine(Out, "tests", "compute");

    private static Process Start(string command, params string[] arguments)
    {
        string omlab = Path.Combine(Out, "bin", "omlab");
        return Process.Start(new ProcessStartInfo(omlab, [command, "--name", Lab, .. arguments]) { RedirectStandardInput = true, RedirectStandardOutput = true })!;
    }

    private static async Task OmlabAsync(string command, params string[] arguments)
    {
        using Process omlab = Start(command, arguments);
        string said = await omlab.StandardOutput.ReadToEndAsync();
        await omlab.WaitForExitAsync();
        if (omlab.ExitCode != 0)
            throw new InvalidOperationException($"omlab {command} {string.Join(' ', arguments)}: status {omlab.ExitCode}\n{said}");
    }
}
