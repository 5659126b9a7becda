using OpenMosix.Checkpoint.Interop;
using OpenMosix.Checkpoint.Tracing;
using OpenMosix.Protocol.V1;

namespace OpenMosix.Checkpoint.Restore;

/// <summary>
/// Signals that wait for the body. They travel in the image, so a deputy must not have them too: its open mask would take them and send
/// them after the body. What came after the Snapshot stays, and goes that way.
/// </summary>
internal static class PendingSignals
{
    private const int SignalsPerBatch = 256;

    /// <summary>Takes the image's signals off the queues, and leaves those that are not in it.</summary>
    public static void Drain(Agent agent, Tracee tracee, ProcessImage image)
    {
        var ofThread = SignalQueue.Peek(tracee, shared: false);
        var ofProcess = SignalQueue.Peek(tracee, shared: true);
        var laterOfThread = Without(ofThread, image.Threads[0].Pending);
        var laterOfProcess = Without(ofProcess, image.SharedPending);
        if (ofThread.Count - laterOfThread.Count + ofProcess.Count - laterOfProcess.Count == 0)
        {
            return;
        }

        // The kernel hands them out by number, not one that is chosen: all are taken, and those that came later are put back.
        for (var left = ofThread.Count + ofProcess.Count; left > 0; left -= SignalsPerBatch)
        {
            var batch = agent.NewBatch();
            var every = batch.Data(BitConverter.GetBytes(ulong.MaxValue));
            var atOnce = batch.Data(new byte[16]); // a timespec of nothing: a batch never sleeps
            for (var i = 0; i < Math.Min(left, SignalsPerBatch); i++)
            {
                batch.Add(CallNumber.rt_sigtimedwait, every, 0, atOnce, sizeof(ulong));
            }

            agent.Run(batch);
        }

        QueueSome(agent, tracee, laterOfThread, SignalQueue.AddToSelf);
        QueueSome(agent, tracee, laterOfProcess, SignalQueue.AddToProcess);
    }

    /// <summary>Queues the image's signals, and more of the process's.</summary>
    public static void Queue(Agent agent, Tracee tracee, ProcessImage image, IReadOnlyList<byte[]> more)
    {
        QueueSome(agent, tracee, [.. image.Threads[0].Pending.Select(signal => signal.Siginfo.ToByteArray())], SignalQueue.AddToSelf);
        QueueSome(agent, tracee, [.. image.SharedPending.Select(signal => signal.Siginfo.ToByteArray()), .. more], SignalQueue.AddToProcess);
    }

    private static void QueueSome(Agent agent, Tracee tracee, List<byte[]> signals, Action<Batch, Tracee, IEnumerable<byte[]>> add)
    {
        foreach (var some in signals.Chunk(SignalsPerBatch))
        {
            var batch = agent.NewBatch(stopOnError: true);
            add(batch, tracee, some);
            FileStand.Execute(agent, batch, "queueing signals");
        }
    }

    private static List<byte[]> Without(List<byte[]> signals, IEnumerable<PendingSignal> known)
    {
        var rest = new List<byte[]>(signals);
        foreach (var signal in known)
        {
            var index = rest.FindIndex(info => signal.Siginfo.Span.SequenceEqual(info));
            if (index >= 0)
            {
                rest.RemoveAt(index);
            }
        }

        return rest;
    }
}
