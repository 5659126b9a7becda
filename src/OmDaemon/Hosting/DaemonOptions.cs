// What the daemon is told: defaults, then openmosixd.conf, then the environment, then the command line; the last one wins.
// Immutable. A key and its meaning are declared once, in OptionKeys.
using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.Logging;

namespace OpenMosix.Daemon.Hosting;

public sealed record DaemonOptions
{
    public const int DefaultDaemonPort = 7946;
    public const int DefaultLinkPort = 7947;

    public string RunDirectory { get; init; } = "/run/openmosix";
    public string EtcDirectory { get; init; } = "/etc/openmosix";
    public string StateDirectory { get; init; } = "/var/lib/openmosix";

    /// <summary>Node id: the common name of the node's certificate.</summary>
    public string Node { get; init; } = Dns.GetHostName();

    /// <summary>Where the daemon's and the warden's ports are bound.</summary>
    public IPAddress ListenAddress { get; init; } = Socket.OSSupportsIPv6 ? IPAddress.IPv6Any : IPAddress.Any;

    /// <summary>What other nodes are told to dial; null: the address this node is seen to use towards them.</summary>
    public IPAddress? Address { get; init; }

    public int DaemonPort { get; init; } = DefaultDaemonPort;
    public int LinkPort { get; init; } = DefaultLinkPort;

    /// <summary>host[:port] of nodes to gossip with before any is known.</summary>
    public IReadOnlyList<string> Seeds { get; init; } = [];

    /// <summary>Takes other nodes' processes.</summary>
    public bool Accepts { get; init; } = true;

    /// <summary>Moves processes by itself when memory runs out.</summary>
    public bool Ushering { get; init; } = true;

    /// <summary>Obeys OPENMOSIX_FAULT (Migration/FaultPoints): for tests.</summary>
    public bool AllowFaults { get; init; }

    public LogLevel LogLevel { get; init; } = LogLevel.Information;

    public string ConfigurationFile => Path.Combine(EtcDirectory, "openmosixd.conf");
    public string ControlSocket => Path.Combine(RunDirectory, "openmosixd.sock");
    public string RunSocket => Path.Combine(RunDirectory, "omrun.sock");
    public string WardenSocket => Path.Combine(RunDirectory, "omwarden.sock");
}
