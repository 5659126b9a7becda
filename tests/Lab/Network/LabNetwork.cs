using OpenMosix.Lab.Nodes;
using OpenMosix.Lab.State;

namespace OpenMosix.Lab.Network;

/// <summary>
/// The bridge in the switch's namespace, and a cable (veth) from it to eth0 of each node. The port on the bridge has the node's name.
/// Nothing of it is in the host's own namespace.
/// </summary>
internal static class LabNetwork
{
    private const string Bridge = "bridge";

    // 10.77.SUBNET.NUMBER
    internal static string Address(int subnet, int number) => $"10.77.{subnet}.{number}";

    internal static void CreateBridge(int switchPid) =>
        NetworkNamespace.Batch(switchPid, "ip",
            $"link add {Bridge} type bridge mcast_snooping 0 stp_state 0 forward_delay 0",
            $"link set {Bridge} up");

    internal static void Connect(int switchPid, int nodePid, NodeRecord node)
    {
        NetworkNamespace.Batch(switchPid, "ip",
            $"link add {node.Name} type veth peer name eth0 netns {nodePid}",
            $"link set {node.Name} master {Bridge}",
            $"link set {node.Name} up");
        NetworkNamespace.Batch(nodePid, "ip",
            $"addr add {node.Address}/24 brd + dev eth0",
            "link set eth0 up",
            "route add 224.0.0.0/4 dev eth0");
        if (node.Rate is not null)
        {
            SetRate(switchPid, nodePid, node);
        }
    }

    /// <summary>Before a node is killed: its kernel would else say goodbye for it (FIN, RST), which no PC without power does.</summary>
    internal static void Unplug(int switchPid, string node) => NetworkNamespace.Batch(switchPid, "ip", $"link set {node} down");

    /// <summary>The kernel removes the cable with the dead node's namespace, in its own time: whoever comes first.</summary>
    internal static void Remove(int switchPid, string node)
    {
        try
        {
            NetworkNamespace.Batch(switchPid, "ip", $"link del {node}");
        }
        catch (LabException e) when (e.Message.Contains("Cannot find device", StringComparison.Ordinal))
        {
        }
    }

    internal static void SetRate(int switchPid, int nodePid, NodeRecord node)
    {
        NetworkNamespace.Batch(switchPid, "tc", Shape(node.Name, node.Rate));
        NetworkNamespace.Batch(nodePid, "tc", Shape("eth0", node.Rate));
    }

    // The burst must hold what passes between two timer ticks, and one packet of segmentation offload.
    private static string Shape(string device, string? rate) =>
        rate is null
            ? $"qdisc replace dev {device} root pfifo_fast"
            : $"qdisc replace dev {device} root tbf rate {rate} burst {Math.Max(131072, LinkRate.BytesPerSecond(rate) / 100)} latency 50ms";
}
