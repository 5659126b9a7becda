using OpenMosix.Checkpoint.Freeze;
using OpenMosix.Checkpoint.Tracing;
using OpenMosix.Protocol.V1;

namespace OpenMosix.Checkpoint.Restore;

/// <summary>The threads of a process that is worked on, each with what the image says of it; the leader first.</summary>
internal sealed record Bodies(IReadOnlyList<(Tracee Tracee, ThreadImage Image)> All)
{
    public Tracee Leader => All[0].Tracee;

    /// <summary>At home, where the tids are those of the image.</summary>
    public static Bodies Of(FrozenThreads frozen, ProcessImage image) =>
        new([.. image.Threads.Select(thread => (frozen.Of(thread.Tid).Tracee, thread))]);
}
