using System.Buffers.Binary;
using OpenMosix.Checkpoint.Interop;
using OpenMosix.Checkpoint.Tracing;
using OpenMosix.Protocol.V1;

namespace OpenMosix.Checkpoint.Restore;

/// <summary>
/// The signals that wait for a body and travel in its image, taken off the queues: a deputy must not have them too, its open mask would take
/// them and send them after the body. What came after the Snapshot stays, and goes that way.
/// </summary>
internal sealed class DrainedSignals(Agent agent)
{
    private const int SI_TIMER = -2;
    private const int CodeOffset = 8;
    private const int TimerOffset = 16;
    private const int SignalsPerBatch = 256;

    private readonly List<(Tracee Thread, byte[] Info)> _ofThreads = [];
    private readonly List<byte[]> _ofProcess = [];

    /// <param name="bodies">Each with the thread that has its signals, the leader first.</param>
    public void Take(IReadOnlyList<(Tracee Tracee, ThreadImage Image)> bodies, ProcessImage image, int ownPid)
    {
        var leader = bodies[0].Tracee;
        foreach (var (tracee, thread) in bodies)
        {
            var own = SignalQueue.Peek(tracee, shared: false);
            var later = Take(tracee, thread.Pending, info => _ofThreads.Add((tracee, info)))
                .ToLookup(info => own.Exists(each => AreOne(each, info)));
            SignalQueue.ToThread(agent, tracee, later[true]);
            // Where less waits for the thread than was seen, the kernel goes on with what waits for the process.
            SignalQueue.ToProcess(agent, leader, later[false]);
        }

        // A thread's own come before its process's.
        var between = Take(leader, image.SharedPending, _ofProcess.Add)
            .ToLookup(info => SignalDirection.IsForThread(info, ownPid, SignalDirection.TimersOf(leader.Tid)));
        SignalQueue.ToThread(agent, leader, between[true]);
        SignalQueue.ToProcess(agent, leader, between[false]);
    }

    /// <summary>Queues them again, all that were taken.</summary>
    public void PutBack(Tracee leader)
    {
        foreach (var ofThread in _ofThreads.GroupBy(taken => taken.Thread, taken => taken.Info))
        {
            SignalQueue.ToThread(agent, ofThread.Key, ofThread);
        }

        SignalQueue.ToProcess(agent, leader, _ofProcess);
        _ofThreads.Clear();
        _ofProcess.Clear();
    }

    /// <returns>What the kernel handed out besides: it goes by number, and not by what is asked for.</returns>
    private List<byte[]> Take(Tracee tracee, IEnumerable<PendingSignal> known, Action<byte[]> taken)
    {
        var wanted = known.Select(signal => signal.Siginfo.ToByteArray()).ToList();
        var others = new List<byte[]>();
        for (var none = false; wanted.Count > 0 && !none;)
        {
            foreach (var info in TakeSome(tracee, Math.Min(wanted.Count, SignalsPerBatch), out none))
            {
                var index = wanted.FindIndex(signal => AreOne(signal, info));
                if (index < 0)
                {
                    others.Add(info);
                    continue;
                }

                wanted.RemoveAt(index);
                taken(info);
            }
        }

        // Since Linux 6.13 the signal of a timer that was deleted or set anew is seen in the queue, and dropped when it is taken. The
        // image has it, and the body may have it: POSIX says neither (timer_delete, timer_settime).
        if (wanted.Find(signal => !IsTimers(signal)) is { } lost)
        {
            others.ForEach(taken); // to be put back with the rest
            throw new TraceeException($"signal {SignalQueue.SignalOf(lost)} of the image does not wait any more", Errno.EAGAIN);
        }

        return others;
    }

    /// <param name="none">Nothing waits any more.</param>
    private List<byte[]> TakeSome(Tracee tracee, int count, out bool none)
    {
        var batch = agent.NewBatch();
        var every = batch.Data(BitConverter.GetBytes(ulong.MaxValue));
        var atOnce = batch.Data(new byte[16]); // a timespec of nothing: a batch never sleeps
        var room = batch.Reserve(count * Ptrace.SiginfoBytes);
        for (var i = 0; i < count; i++)
        {
            batch.Add(CallNumber.rt_sigtimedwait, every, room + (ulong)(i * Ptrace.SiginfoBytes), atOnce, sizeof(ulong));
        }

        var results = agent.Run(batch, tracee);
        var signals = new List<byte[]>();
        none = false;
        for (var i = 0; i < count; i++)
        {
            if (!BatchResults.IsError(results[i]))
            {
                signals.Add(results.Bytes(room + (ulong)(i * Ptrace.SiginfoBytes), Ptrace.SiginfoBytes).ToArray());
            }
            else if (results[i] == -Errno.EAGAIN)
            {
                none = true; // one may come all the same before the next call
            }
            else
            {
                throw new TraceeException("rt_sigtimedwait", (int)-results[i]);
            }
        }

        return signals;
    }

    /// <summary>A timer's signal learns its overruns only when it is taken.</summary>
    private static bool AreOne(ReadOnlySpan<byte> left, ReadOnlySpan<byte> right) =>
        IsTimers(left)
            ? left[..(TimerOffset + sizeof(int))].SequenceEqual(right[..(TimerOffset + sizeof(int))])
            : left.SequenceEqual(right);

    private static bool IsTimers(ReadOnlySpan<byte> siginfo) => BinaryPrimitives.ReadInt32LittleEndian(siginfo[CodeOffset..]) == SI_TIMER;
}
