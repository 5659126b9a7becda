using System.Globalization;
using System.Text.RegularExpressions;

namespace OpenMosix.Lab.Network;

/// <summary>Rates as tc(8) takes them: 10mbit, 1gbit, 512kbit.</summary>
public static partial class LinkRate
{
    public static long BytesPerSecond(string rate)
    {
        var match = Form().Match(rate);
        var number = match.Success ? long.Parse(match.Groups[1].ValueSpan, CultureInfo.InvariantCulture) : 0;
        if (number is not (> 0 and <= 1_000_000))
        {
            throw new LabException($"'{rate}' is no rate (examples: 1gbit, 100mbit, 512kbit; none for unlimited)");
        }

        return number * match.Groups[2].Value switch { "kbit" => 1_000L, "mbit" => 1_000_000L, _ => 1_000_000_000L } / 8;
    }

    [GeneratedRegex("^([0-9]{1,7})(kbit|mbit|gbit)$")]
    private static partial Regex Form();
}
