// A body that forks, and the child that begins so. Until the child of a vfork executes a program or ends, its parent's thread stands in the kernel: it
// cannot be stopped, and neither of the two moves.
using OpenMosix.Protocol.Errors;
using OpenMosix.Protocol.V1;
using OpenMosix.Warden.Forward;
using OpenMosix.Warden.Interop;
using OpenMosix.Warden.Structure;

namespace OpenMosix.Warden.Held;

internal sealed partial class GuestProcess
{
    private const uint FirstEpoch = 1;

    private readonly HashSet<uint> vforking = []; // slots of threads that wait for their child
    private bool sharesMemory;                    // with its parent
    private Action? released;                     // it ends here, or leaves

    /// <summary>On the tracer's thread of the maker; the child has not run. False: it cannot be served.</summary>
    /// <param name="here">Its pid in our namespace.</param>
    internal bool Forked(ulong childKey, int pid, int here, uint by, ulong flags)
    {
        bool waits = (flags & ProcessClone.CLONE_VFORK) != 0, shares = (flags & ProcessClone.CLONE_VM) != 0;
        var child = new GuestProcess(childKey, FirstEpoch, ImageOfChild(pid, by), home, Context)
        {
            // With one memory there is one agent's block: what is done to the two is done one after the other.
            Queue = shares ? Queue : new(),
            // Its memory is what its parent's cell has; of processes and threads it may have as many as its parent.
            limits = new() { Pids = limits.Pids },
            cell = cell,
            gate = gate,
            bodyPid = here,
            bodyPidfd = Processes.OpenPidfd(here),
            dispositions = new(Dispositions),
            sharesMemory = shares,
        };
        try
        {
            if (!child.BeginForked())
                return false;
        }
        catch (IOException lacking) // descriptors, most likely
        {
            child.LogNotForked(childKey, lacking.Message);
            child.EndForked();
            return false;
        }
        if (waits)
        {
            vforking.Add(by);
            child.released = () => Queue.Run(() => ChildIsGone(by));
        }
        return true;
    }

    private bool BeginForked()
    {
        if (bodyPidfd is null)
            return false;
        Threads.Fill([new GuestThread(0, image.Pid, bodyPid)]);
        Context.Held.TryAdd(this);
        cell!.Join(this);
        engineState = Memfd.Create("om-guest", OmEngine.StateBytes(image.AgentSlots));
        State = GuestState.Remote;
        BeginHandover();
        if (OpenRemote() is { } refused)
        {
            LogNotForked(Key, refused.Message);
            EndForked();
            return false;
        }
        WriteRecord(runs: true);
        // Its calls wait until home has heard it; nobody else can be this body.
        _ = remote!.Start(TimeSpan.Zero);
        Context.Tell(new() { Began = new ProcessBegan { Process = Describe() } });
        return true;
    }

    /// <summary>It never ran: its maker's tracer ends it.</summary>
    private void EndForked()
    {
        State = GuestState.Ended;
        EndHandover();
        remote?.Dispose();
        cell!.Leave(this);
        bodyPidfd!.Dispose();
        Forget();
    }

    private bool ChildIsGone(uint slot)
    {
        vforking.Remove(slot);
        DeliverSignals();
        return true;
    }

    /// <summary>Null: it can be frozen.</summary>
    private Refusal? BoundByVfork() => vforking.Count > 0 || sharesMemory
        ? Refusals.Make("vfork", $"process {image.Pid}", "a child made by vfork shares its parent's memory until it executes a program: try again then")
        : null;

    private ProcessImage ImageOfChild(int pid, uint by) => new()
    {
        Version = image.Version,
        Pid = pid,
        Name = image.Name,
        HomeHostname = image.HomeHostname,
        AgentArea = image.AgentArea,
        AgentSlots = image.AgentSlots,
        Threads = { new ThreadImage { Slot = 0, Tid = pid, Affinity = image.Threads.FirstOrDefault(thread => thread.Slot == by)?.Affinity ?? Google.Protobuf.ByteString.Empty } },
    };

    [Microsoft.Extensions.Logging.LoggerMessage(EventId = 332, Level = Microsoft.Extensions.Logging.LogLevel.Warning, Message = "key {Key:x16}: its child {Pid} was not made here: {Why}")]
    internal partial void LogNotMade(ulong key, int pid, string why);

    [Microsoft.Extensions.Logging.LoggerMessage(EventId = 331, Level = Microsoft.Extensions.Logging.LogLevel.Error, Message = "key {Key:x16}: not served: {Why}")]
    private partial void LogNotForked(ulong key, string why);
}
