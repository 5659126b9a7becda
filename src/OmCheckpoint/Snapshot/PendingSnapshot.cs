using Google.Protobuf;
using OpenMosix.Checkpoint.Cpu;
using OpenMosix.Checkpoint.Freeze;
using OpenMosix.Checkpoint.Tracing;
using OpenMosix.Protocol.V1;

namespace OpenMosix.Checkpoint.Snapshot;

/// <summary>The signals that wait, of each thread and of the process; behind everything the agent does for a snapshot.</summary>
internal static class PendingSnapshot
{
    // What the agent does counts for the timers on CPU time: one that fires meanwhile must be in the image once, as a signal.
    public static void Take(FrozenThreads frozen, Agent agent, ProcessImage image)
    {
        while (true)
        {
            for (var i = 0; i < image.Threads.Count; i++)
            {
                image.Threads[i].Pending.AddRange(Pending(frozen.Threads[i].Tracee, shared: false));
            }

            image.SharedPending.AddRange(Pending(frozen.First.Tracee, shared: true));
            if (image.CpuTimers.Count == 0)
            {
                return;
            }

            var batch = agent.NewBatch();
            var room = CpuTimers.Ask(batch);
            var now = CpuTimers.Answered(agent.Run(batch), room).ToList();
            if (!CpuTimers.Fired(image.CpuTimers, now))
            {
                return;
            }

            image.CpuTimers.Clear();
            image.CpuTimers.AddRange(now);
            image.SharedPending.Clear();
            foreach (var thread in image.Threads)
            {
                thread.Pending.Clear();
            }
        }
    }

    private static IEnumerable<PendingSignal> Pending(Tracee tracee, bool shared) =>
        SignalQueue.Peek(tracee, shared).Select(info => new PendingSignal { Siginfo = ByteString.CopyFrom(info) });
}
