namespace OpenMosix.Daemon.Cluster;

/// <summary>What this node does for jobs, its own and others': counts for the load that is gossiped, and whether it has anything to do. Implemented in Jobs/.</summary>
public interface IWork
{
    /// <summary>Bodies of other nodes' processes here.</summary>
    uint Hosted { get; }

    /// <summary>Processes of this node whose bodies are elsewhere.</summary>
    uint Away { get; }

    /// <summary>A process of a job is here or away, or somebody else's is here, or on its way.</summary>
    bool Any { get; }

    /// <summary>Completes with the next process that comes. Take it before asking Any: nothing is missed in between.</summary>
    Task Began { get; }
}
