// Figures, not tests. Compare ratios within one run; the machine's own speed varies.
using OpenMosix.Bench.Compute;
using OpenMosix.Bench.Ship;

switch (args)
{
    case ["ship", .. var rest]:
        return await ShipBench.RunAsync(rest is [var mib] ? int.Parse(mib, System.Globalization.CultureInfo.InvariantCulture) : 512);
    case ["compute", var results]:
        return await ComputeBench.RunAsync(results);
    default:
        await Console.Error.WriteLineAsync("usage: ombench ship [MIB] | compute RESULTS");
        return 2;
}
