using OpenMosix.Checkpoint.Freeze;
using OpenMosix.Checkpoint.Tracing;
using OpenMosix.Protocol.Errors;
using OpenMosix.Protocol.V1;

namespace OpenMosix.Checkpoint.Restore;

/// <summary>A deputy that stands still, each of its threads with the body's that comes back to it. On the tracer's thread.</summary>
internal sealed class StoppedDeputy
{
    private readonly Dictionary<uint, byte[]> _inHand;

    private StoppedDeputy(FrozenThreads frozen, ProcessImage image, Dictionary<uint, byte[]> inHand)
    {
        Frozen = frozen;
        Image = image;
        Agent = frozen.Agent();
        Bodies = Bodies.Of(frozen, image);
        _inHand = inHand;
    }

    public FrozenThreads Frozen { get; }

    public ProcessImage Image { get; }

    public Agent Agent { get; }

    public Bodies Bodies { get; }

    /// <summary>Fails when the deputy has other threads than the body: it goes on unchanged then.</summary>
    public static Outcome<StoppedDeputy> Stop(int pid, ProcessImage image)
    {
        var area = AgentArea.Of(image);
        var stopped = ProcessStop.All(pid, new FreezeOptions { AgentArea = area }, CancellationToken.None);
        if (!stopped.Ok)
        {
            return stopped.Failure;
        }

        var frozen = stopped.Value;
        if (!frozen.Threads.Select(thread => thread.Tid).ToHashSet().SetEquals(image.Threads.Select(thread => thread.Tid)))
        {
            frozen.LetGo();
            return Failures.Broken(
                Stage.Return, $"the deputy has {frozen.Threads.Count} threads, the body {image.Threads.Count}, and they are not the same");
        }

        var inHand = new Dictionary<uint, byte[]>();
        foreach (var (tracee, thread) in Bodies.Of(frozen, image).All)
        {
            if (DeputyHandler.Leave(tracee, area.Slot(thread.Slot)) is { } info)
            {
                inHand.Add(thread.Slot, info);
            }
        }

        return new StoppedDeputy(frozen, image, inHand);
    }

    /// <summary>Queues what waits for the body: the image's, what the warden took from the rings, and what is still in them or in a handler's hand. Read
    /// now that the deputy stands: what its handlers have put there meanwhile, no one else has seen.</summary>
    public void QueueSignals(IReadOnlyDictionary<uint, IReadOnlyList<byte[]>> taken)
    {
        var pid = Frozen.InnerPid;
        new DrainedSignals(Agent, pid).DropCancels(Bodies.All);
        var timers = SignalDirection.TimersOf(Frozen.Pid);
        var ofProcess = new List<byte[]>();
        foreach (var (tracee, thread) in Bodies.All)
        {
            List<byte[]> came = [.. taken.GetValueOrDefault(thread.Slot) ?? [], .. SignalRing.Take(tracee, Agent.Area.Slot(thread.Slot))];
            if (_inHand.TryGetValue(thread.Slot, out var inHand))
            {
                came.Add(inHand);
            }

            var directed = came.ToLookup(info => SignalDirection.IsForThread(info, pid, timers));
            SignalQueue.ToThread(Agent, tracee, [.. BodyState.Siginfos(thread.Pending), .. directed[true]]);
            ofProcess.AddRange(directed[false]);
        }

        SignalQueue.ToProcess(Agent, Bodies.Leader, [.. BodyState.Siginfos(Image.SharedPending), .. ofProcess]);
    }
}
