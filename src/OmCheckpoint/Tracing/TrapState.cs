namespace OpenMosix.Checkpoint.Tracing;

/// <summary>What its threads have in common of a process that is traced: whether it ignores SIGTRAP.</summary>
internal sealed class TrapState
{
    public bool Ignored { get; set; }
}
