namespace OpenMosix.Daemon.Cluster;

/// <summary>How many processes are hosted here and how many of ours are elsewhere, for the load that is gossiped. Implemented in Jobs/.</summary>
public interface IGuestCount
{
    uint Hosted { get; }
    uint Away { get; }
}
