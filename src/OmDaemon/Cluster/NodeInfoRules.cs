// What a peer may say about a node. Peers have a certificate, and may still be broken or hostile: everything is bounded here
// before it is kept or passed on.
using System.Net;
using OpenMosix.Daemon.Hosting;
using OpenMosix.Protocol.V1;

namespace OpenMosix.Daemon.Cluster;

internal static class NodeInfoRules
{
    public const int MostNodes = 16384;

    /// <summary>Null if it can be believed; else what is wrong with it.</summary>
    public static string? Fault(NodeInfo info)
    {
        if (!OptionKeys.IsNodeName(info.Node))
            return "node name";
        if (!IPAddress.TryParse(info.Address, out _))
            return "address";
        if (info.DaemonPort is 0 or > 65535 || info.LinkPort > 65535)
            return "port";
        if (info.Version.Length > 64 || info.KernelRelease.Length > 128 || info.CpuVendor.Length > 32 || info.CpuFeatures.Length > 1024)
            return "length of a field";
        if (info.Load is { } load && !(double.IsFinite(load.Load1) && double.IsFinite(load.MemoryPressure)))
            return "load";
        return null;
    }

    public static bool IsNewer(NodeInfo said, NodeInfo known) =>
        said.Incarnation > known.Incarnation || (said.Incarnation == known.Incarnation && said.Sequence > known.Sequence);
}
