using OpenMosix.Checkpoint.Restore;
using OpenMosix.Checkpoint.Snapshot;
using OpenMosix.Checkpoint.Tracing;
using OpenMosix.Protocol.Errors;
using OpenMosix.Protocol.V1;

namespace OpenMosix.Checkpoint.Freeze;

/// <summary>
/// A process that is held still. It owns the tracer's thread and, in a native process, the agent; while nothing executes in it, its
/// registers and mask are its own, so that the end of this process only lets it go on. Ends by Thaw (or Dispose, which thaws)
/// or Deputize. Calls may come from any thread, one at a time; they block for as long as they take.
/// </summary>
public sealed class FrozenProcess : IDisposable
{
    private FrozenProcess(int pid) => Pid = pid;

    public int Pid { get; }

    public static Outcome<FrozenProcess> Freeze(int pid, FreezeOptions? options = null, CancellationToken cancellation = default) =>
        throw new NotImplementedException();

    /// <summary>True when it was stopped by a signal (SIGSTOP...): it stays so when thawed.</summary>
    public bool IsStopped => throw new NotImplementedException();

    /// <summary>Describes it. The image names the pages; PageReader reads them.</summary>
    public Outcome<ProcessImage> Snapshot(SnapshotOptions? options = null) => throw new NotImplementedException();

    /// <summary>Executes calls in it: the agent's batch.</summary>
    public Outcome<BatchResults> Execute(Batch batch) => throw new NotImplementedException();

    public Outcome<Registers> ReadRegisters() => throw new NotImplementedException();

    /// <summary>The registers it goes on with.</summary>
    public Outcome WriteRegisters(Registers registers) => throw new NotImplementedException();

    /// <summary>Lets it go on where it was, unchanged.</summary>
    public Outcome Thaw() => throw new NotImplementedException();

    /// <summary>Home: makes it a deputy of the body described by image (its own last Snapshot); it runs, in the agent, when this returns.
    /// Pages are kept. Undone by RestoringProcess.TakeBack.</summary>
    public Outcome<DeputyProcess> Deputize(ProcessImage image) => throw new NotImplementedException();

    public void Dispose() => throw new NotImplementedException();
}
