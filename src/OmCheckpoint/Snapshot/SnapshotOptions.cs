namespace OpenMosix.Checkpoint.Snapshot;

public sealed record SnapshotOptions
{
    /// <summary>Node id written into the image.</summary>
    public string Node { get; init; } = "";

    /// <summary>Written into the image when not empty; else this node's.</summary>
    public string HomeHostname { get; init; } = "";

    /// <summary>The process's pid at home, for a remote; 0: as it is here.</summary>
    public int HomePid { get; init; }

    /// <summary>A remote: files are the memfds Restore made, and are given under the names they have at home. Its threads have the tids in its
    /// innermost pid namespace at home.</summary>
    public bool Remote { get; init; }

    /// <summary>At home: shared memory whose other users move, too.</summary>
    public SharedMemorySet Memory { get; init; } = SharedMemorySet.None;

    /// <summary>By tid here: the slot of a thread of a remote. Null: they are numbered as they come.</summary>
    public Func<int, uint>? Slot { get; init; }

    /// <summary>By tid here: a call that home was executing for the thread and that is issued again.</summary>
    public Func<int, ForwardedCall?>? Forwarded { get; init; }
}

/// <summary>What is left of a call. LeftNs is ulong.MaxValue without a timeout; Done counts bytes.</summary>
public readonly record struct ForwardedCall(int Number, ulong LeftNs, ulong Done);
