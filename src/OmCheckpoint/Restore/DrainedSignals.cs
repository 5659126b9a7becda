using System.Buffers.Binary;
using OpenMosix.Checkpoint.Interop;
using OpenMosix.Checkpoint.Tracing;
using OpenMosix.Protocol.V1;

namespace OpenMosix.Checkpoint.Restore;

/// <summary>
/// The signals that wait for a body and travel in its image, taken off the queues: a deputy must not have them too, its open mask would take
/// them and send them after the body. What came after the Snapshot stays, and goes that way.
/// </summary>
/// <param name="ownPid">The process's pid as it sees it itself.</param>
internal sealed class DrainedSignals(Agent agent, int ownPid)
{
    private const int SI_TIMER = -2;
    private const int CodeOffset = 8;
    private const int TimerOffset = 16;
    private const int SignalsPerBatch = 256;

    private readonly List<(Tracee Thread, byte[] Info)> _ofThreads = [];
    private readonly List<byte[]> _ofProcess = [];

    /// <param name="bodies">Each with the thread that has its signals, the leader first.</param>
    public void Take(IReadOnlyList<(Tracee Tracee, ThreadImage Image)> bodies, ProcessImage image)
    {
        var leader = bodies[0].Tracee;
        foreach (var (tracee, thread) in bodies)
        {
            var own = SignalQueue.Peek(tracee, shared: false);
            QueueAgain(leader, tracee, own, Take(tracee, BodyState.Siginfos(thread.Pending), info => _ofThreads.Add((tracee, info))));
        }

        // A thread's own come before its process's.
        var between = Take(leader, BodyState.Siginfos(image.SharedPending), _ofProcess.Add)
            .ToLookup(info => SignalDirection.IsForThread(info, ownPid, SignalDirection.TimersOf(leader.Tid)));
        SignalQueue.ToThread(agent, leader, between[true]);
        SignalQueue.ToProcess(agent, leader, between[false]);
    }

    /// <summary>What was to break off a call of the deputy and came when that had ended is the deputy's (deputy.c), and no signal of the body.</summary>
    public void DropCancels(IReadOnlyList<(Tracee Tracee, ThreadImage Image)> bodies)
    {
        foreach (var (tracee, _) in bodies)
        {
            var own = SignalQueue.Peek(tracee, shared: false);
            var others = Take(tracee, own.Where(info => SignalQueue.IsCancel(info)), _ => { });
            QueueAgain(bodies[0].Tracee, tracee, own, others);
        }
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

    /// <summary>Where less waits for a thread than was seen, the kernel goes on with what waits for the process.</summary>
    /// <param name="own">What waited for the thread a moment ago.</param>
    private void QueueAgain(Tracee leader, Tracee thread, List<byte[]> own, List<byte[]> signals)
    {
        var timers = SignalDirection.TimersOf(leader.Tid);
        var isOwn = signals.ToLookup(info => own.Exists(each => AreOne(each, info)) || SignalDirection.IsForThread(info, ownPid, timers));
        SignalQueue.ToThread(agent, thread, isOwn[true]);
        SignalQueue.ToProcess(agent, leader, isOwn[false]);
    }

    /// <returns>What the kernel handed out besides: it goes by number, and not by what is asked for.</returns>
    private List<byte[]> Take(Tracee tracee, IEnumerable<byte[]> known, Action<byte[]> taken)
    {
        var wanted = known.ToList();
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
