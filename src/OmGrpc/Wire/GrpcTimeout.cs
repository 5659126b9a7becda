using System.Globalization;

namespace OpenMosix.Grpc.Wire;

/// <summary>The grpc-timeout header: at most eight digits and a unit.</summary>
internal static class GrpcTimeout
{
    private const long MaxValue = 99_999_999;

    public static string Format(TimeSpan timeout)
    {
        // Rounded up, so that the server never gives up before the caller does.
        var microseconds = Math.Max(1, (timeout.Ticks + TimeSpan.TicksPerMicrosecond - 1) / TimeSpan.TicksPerMicrosecond);
        (long Per, char Unit)[] units = [(1, 'u'), (1_000, 'm'), (1_000_000, 'S'), (60_000_000, 'M'), (3_600_000_000, 'H')];
        foreach (var (per, unit) in units)
        {
            var value = (microseconds + per - 1) / per;
            if (value <= MaxValue)
            {
                return value.ToString(CultureInfo.InvariantCulture) + unit;
            }
        }

        return "99999999H";
    }

    /// <returns>False if it is malformed.</returns>
    public static bool TryParse(string text, out TimeSpan timeout)
    {
        timeout = default;
        if (text.Length is < 2 or > 9
            || !long.TryParse(text.AsSpan(0, text.Length - 1), NumberStyles.None, CultureInfo.InvariantCulture, out var value))
        {
            return false;
        }

        var ticksPer = text[^1] switch
        {
            'H' => TimeSpan.TicksPerHour,
            'M' => TimeSpan.TicksPerMinute,
            'S' => TimeSpan.TicksPerSecond,
            'm' => TimeSpan.TicksPerMillisecond,
            'u' => TimeSpan.TicksPerMicrosecond,
            'n' => 0,
            _ => -1,
        };
        if (ticksPer < 0)
        {
            return false;
        }

        timeout = ticksPer == 0
            ? TimeSpan.FromTicks((value + TimeSpan.NanosecondsPerTick - 1) / TimeSpan.NanosecondsPerTick)
            : TimeSpan.FromTicks(value > TimeSpan.MaxValue.Ticks / ticksPer ? TimeSpan.MaxValue.Ticks : value * ticksPer);
        return true;
    }
}
