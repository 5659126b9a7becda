namespace OpenMosix.Checkpoint.Snapshot;

public sealed record SnapshotOptions
{
    /// <summary>Node id written into the image.</summary>
    public string Node { get; init; } = "";

    /// <summary>Written into the image when not empty; else this node's.</summary>
    public string HomeHostname { get; init; } = "";

    /// <summary>The process's pid at home, for a remote; 0: as it is here.</summary>
    public int HomePid { get; init; }

    /// <summary>A remote: files are the memfds Restore made, and are given under the names they have at home.</summary>
    public bool Remote { get; init; }

    /// <summary>A call that home was executing and that is issued again: what is left of it. LeftNs is ulong.MaxValue without a timeout.</summary>
    public (int Number, ulong LeftNs, ulong Done)? Forwarded { get; init; }
}
