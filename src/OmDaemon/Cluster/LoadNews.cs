using OpenMosix.Protocol.V1;

namespace OpenMosix.Daemon.Cluster;

/// <summary>Whether others should hear of a change of load now, or can wait a round.</summary>
internal static class LoadNews
{
    private const double OfMemory = 0.02;
    private const double OfLoad = 0.25;
    private const double OfPressure = 1;

    public static bool IsNews(Load now, Load? told) =>
        told is null
        || now.Hosted != told.Hosted
        || now.Away != told.Away
        || Math.Abs(now.Load1 - told.Load1) > OfLoad
        || Math.Abs(now.MemoryPressure - told.MemoryPressure) > OfPressure
        || Math.Abs((double)now.MemoryAvailableBytes - told.MemoryAvailableBytes) > now.MemoryTotalBytes * OfMemory;
}
