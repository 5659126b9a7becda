// The one table of what can be set: `key = value` in openmosixd.conf, `--key value` on the command line.
using System.Globalization;
using System.Net;
using Microsoft.Extensions.Logging;

namespace OpenMosix.Daemon.Hosting;

/// <param name="Apply">Gives the options with the value set, or null and what would have been right.</param>
public sealed record OptionKey(string Name, string Expects, string Help, Func<DaemonOptions, string, DaemonOptions?> Apply);

public static class OptionKeys
{
    public static IReadOnlyList<OptionKey> All { get; } =
    [
        new("node", "a node name of letters, digits, '-' and '.', at most 63", "node id (default: the hostname)",
            (o, v) => IsNodeName(v) ? o with { Node = v } : null),
        new("listen", "an IP address", "address on which the ports are bound (default: all)",
            (o, v) => IPAddress.TryParse(v, out IPAddress? a) ? o with { ListenAddress = a } : null),
        new("address", "an IP address", "address other nodes are told to dial (default: found out)",
            (o, v) => IPAddress.TryParse(v, out IPAddress? a) ? o with { Address = a } : null),
        new("daemon-port", "a port, 1 to 65535", "TCP port of the daemon (default: 7946)",
            (o, v) => TryPort(v, out int p) ? o with { DaemonPort = p } : null),
        new("link-port", "a port, 1 to 65535", "TCP port of the warden's links (default: 7947)",
            (o, v) => TryPort(v, out int p) ? o with { LinkPort = p } : null),
        new("seeds", "host[:port], separated by commas or spaces", "nodes to ask when none is known",
            (o, v) => TrySeeds(v) is { } seeds ? o with { Seeds = seeds } : null),
        new("accepts", "yes or no", "take other nodes' processes (default: yes)",
            (o, v) => TryYesNo(v) is { } yes ? o with { Accepts = yes } : null),
        new("ushering", "yes or no", "move processes away before memory runs out (default: yes)",
            (o, v) => TryYesNo(v) is { } yes ? o with { Ushering = yes } : null),
        new("allow-faults", "yes or no", "obey OPENMOSIX_FAULT, for tests (default: no)",
            (o, v) => TryYesNo(v) is { } yes ? o with { AllowFaults = yes } : null),
        new("log-level", "debug, information, warning or error", "what is logged (default: information)",
            (o, v) => Enum.TryParse(v, ignoreCase: true, out LogLevel level) && level is >= LogLevel.Debug and <= LogLevel.Error
                ? o with { LogLevel = level }
                : null),
    ];

    public static bool IsNodeName(string name) =>
        name.Length is > 0 and <= 63 && name.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '.' or '_') && name is not ("home" or "." or "..");

    private static bool TryPort(string value, out int port) =>
        int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out port) && port is > 0 and <= 65535;

    private static bool? TryYesNo(string value) => value switch { "yes" or "true" or "on" => true, "no" or "false" or "off" => false, _ => null };

    private static string[]? TrySeeds(string value)
    {
        string[] seeds = value.Split([',', ' ', '\t'], StringSplitOptions.RemoveEmptyEntries);
        return seeds.All(seed => NodeAddress.TryParse(seed, DaemonOptions.DefaultDaemonPort, out _)) ? seeds : null;
    }
}
