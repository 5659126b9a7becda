// Figures, not tests: `ombench ship [MIB]`. Compare ratios within one run; the machine's own speed varies.
using OpenMosix.Bench.Ship;

switch (args)
{
    case ["ship", .. var rest]:
        return await ShipBench.RunAsync(rest is [var mib] ? int.Parse(mib, System.Globalization.CultureInfo.InvariantCulture) : 512);
    default:
        await Console.Error.WriteLineAsync("usage: ombench ship [MIB]");
        return 2;
}
