using Microsoft.Win32.SafeHandles;
using OpenMosix.Checkpoint.Freeze;
using OpenMosix.Checkpoint.Interop;
using OpenMosix.Checkpoint.Tracing;
using OpenMosix.Protocol.Errors;
using OpenMosix.Protocol.V1;

namespace OpenMosix.Checkpoint.Restore;

/// <summary>The deputy, which becomes the process again. Until Run it can be made a deputy once more.</summary>
internal sealed class HomeTarget : IRestoreTarget
{
    private readonly FrozenThread _frozen;
    private readonly ProcessImage _image;
    private bool _converted;

    public HomeTarget(FrozenThread frozen, ProcessImage image)
    {
        _frozen = frozen;
        _image = image;
        var agent = frozen.Agent();
        FileStand? made = null;
        try
        {
            var extents = new ExtentIndex(image);
            var skeleton = new Skeleton(frozen.Tracee.Tid, image, extents);
            Files = made = FileStand.Make(agent, image, skeleton.Lacks, skeleton.Taken.Append((image.AgentArea, AgentArea.Of(image).End.Value)));
            var batch = agent.NewBatch(stopOnError: true);
            skeleton.AddRepair(batch, Files);
            foreach (var mapping in Mappings.OfBody(image))
            {
                Mappings.AddHugePages(batch, mapping, extents);
            }

            FileStand.Execute(agent, batch, "repairing the skeleton");
        }
        catch (TraceeException)
        {
            Remove(agent, made);
            frozen.LetGo();
            throw;
        }
    }

    public FileStand Files { get; }

    /// <summary>The deputy of a body that never ran: its pages are those of the image still.</summary>
    public static void TakeBack(FrozenThread frozen, ProcessImage image, FinishOptions options)
    {
        // Read now that the deputy stands: what its handler has put there meanwhile, no one else has seen.
        var ring = SignalRing.Take(frozen.Tracee, AgentArea.Of(image));
        BodyState.SetThread(frozen.Agent(), frozen.Tracee, image, [.. options.Signals, .. ring]);
        GoOn(frozen, image);
    }

    public Outcome<SafeFileHandle?> Finish(FinishOptions options)
    {
        var agent = _frozen.Agent();
        BodyState.SetMemory(agent, _image, Files);
        _converted = true;
        var ring = SignalRing.Take(_frozen.Tracee, AgentArea.Of(_image));
        BodyState.SetThread(agent, _frozen.Tracee, _image, [.. options.Signals, .. ring]);
        return (SafeFileHandle?)null;
    }

    public void Run() => GoOn(_frozen, _image);

    public void Abort()
    {
        Remove(_frozen.Agent(), Files);
        if (_converted)
        {
            PendingSignals.Drain(_frozen.Agent(), _frozen.Tracee, _image);
            Deputizer.Convert(_frozen.Agent(), _frozen.Tracee, _image);
            Deputizer.Enter(_frozen.Tracee, AgentArea.Of(_image));
            _frozen.Release();
            return;
        }

        _frozen.LetGo();
    }

    /// <summary>No descriptor of ours stays in the job's table.</summary>
    private static void Remove(Agent agent, FileStand? files)
    {
        var removal = agent.NewBatch();
        files?.AddRemoval(removal);
        agent.Run(removal);
    }

    private static void GoOn(FrozenThread frozen, ProcessImage image)
    {
        var agent = frozen.Agent();
        var registers = SleepAgain.Prepare(agent, frozen.Tracee, image, native: true);
        agent.PutBack(frozen.Tracee);
        agent.SetTrap(Dispositions.OfBody(image, Signals.SIGTRAP));
        agent.Unmap();
        BodyState.SetRegisters(frozen.Tracee, image, registers);
        frozen.Release();
    }
}
