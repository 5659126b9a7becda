using Google.Protobuf;
using OpenMosix.Checkpoint.Cpu;
using OpenMosix.Daemon.Hosting;
using OpenMosix.Protocol.V1;

namespace OpenMosix.Daemon.Cluster;

/// <summary>What this node says of itself that does not change while the daemon runs.</summary>
internal static class SelfInfo
{
    public static NodeInfo Make(DaemonOptions options, ILoadReader load, TimeProvider time) => new()
    {
        Node = options.Node,
        Address = (options.Address ?? LocalAddress.Find(options.ListenAddress)).ToString(),
        DaemonPort = (uint)options.DaemonPort,
        LinkPort = (uint)options.LinkPort,
        Incarnation = (ulong)(time.GetUtcNow() - DateTimeOffset.UnixEpoch).Ticks * 100,
        Sequence = 1,
        Load = load.Read(),
        Version = ProductVersion.Text,
        KernelRelease = File.ReadAllText("/proc/sys/kernel/osrelease").Trim(),
        CpuVendor = CpuFeatures.Vendor,
        CpuFeatures = ByteString.CopyFrom(CpuFeatures.Read()),
        Accepts = options.Accepts,
    };
}
