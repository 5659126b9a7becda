using System.Buffers.Binary;
using OpenMosix.Checkpoint.Interop;
using OpenMosix.Checkpoint.Proc;

namespace OpenMosix.Checkpoint.Tracing;

/// <summary>Queues signals as the process itself: only so may si_code be what it was (KERNEL.md 31). A thread may say anything to itself,
/// and to its process only the leader may.</summary>
internal static class SignalQueue
{
    private const int SignalsPerBatch = 256;

    /// <summary>Has the thread queue signals for itself. It is asked who it is: in a namespace its numbers are others.</summary>
    public static void ToThread(Agent agent, Tracee thread, IEnumerable<byte[]> signals) => Queue(agent, thread, signals, (batch, ids, info) =>
        batch.Add(CallNumber.rt_tgsigqueueinfo, (ulong)ids.Pid, (ulong)ids.Tid, (ulong)SignalOf(info), batch.Data(info)));

    public static void ToProcess(Agent agent, Tracee leader, IEnumerable<byte[]> signals) => Queue(agent, leader, signals, (batch, ids, info) =>
        batch.Add(CallNumber.rt_sigqueueinfo, (ulong)ids.Pid, (ulong)SignalOf(info), batch.Data(info)));

    /// <summary>Queues what had to be taken off the thread's queue while it was held. leader: null when it is not held; the thread has the
    /// signals of its process then.</summary>
    public static void PutBack(Agent agent, Tracee thread, Tracee? leader)
    {
        if (thread.HeldSignals.Count == 0)
        {
            return;
        }

        var (pid, tid) = ProcessStatus.InnermostIds(thread.Tid);
        var timers = SignalDirection.TimersOf(thread.Tid);
        foreach (var info in thread.TakeHeldSignals())
        {
            if (leader is null || SignalDirection.IsForThread(info, pid, timers))
            {
                agent.CallQuietly(thread, info, data => (CallNumber.rt_tgsigqueueinfo, [(ulong)pid, (ulong)tid, (ulong)SignalOf(info), data]));
            }
            else
            {
                agent.CallQuietly(leader, info, data => (CallNumber.rt_sigqueueinfo, [(ulong)pid, (ulong)SignalOf(info), data]));
            }
        }
    }

    /// <summary>It is for a deputy, to break off its call.</summary>
    public static bool IsCancel(ReadOnlySpan<byte> siginfo)
    {
        const int CodeOffset = 8;
        return BinaryPrimitives.ReadInt32LittleEndian(siginfo[CodeOffset..]) == -AgentAbi.CancelCode;
    }

    public static int SignalOf(ReadOnlySpan<byte> siginfo) => BinaryPrimitives.ReadInt32LittleEndian(siginfo);

    /// <summary>Whether a fault of the thread's own is about to be handed to it: dequeue_synchronous_signal, kernel/signal.c.</summary>
    public static bool HasFault(Tracee tracee)
    {
        const int SI_USER = 0;
        const int CodeOffset = 8;
        var faults = Signals.Bit(Signals.SIGSEGV) | Signals.Bit(Signals.SIGBUS) | Signals.Bit(Signals.SIGILL) | Signals.Bit(Signals.SIGFPE)
            | Signals.Bit(Signals.SIGTRAP) | Signals.Bit(Signals.SIGSYS);
        var open = new Lazy<ulong>(() => faults & ~tracee.SignalMask);
        return Peek(tracee, shared: false).Any(
            info => BinaryPrimitives.ReadInt32LittleEndian(info.AsSpan(CodeOffset)) > SI_USER && (Signals.Bit(SignalOf(info)) & open.Value) != 0);
    }

    /// <summary>All that waits in one queue, in order.</summary>
    public static List<byte[]> Peek(Tracee tracee, bool shared)
    {
        const int AtOnce = 32;
        var signals = new List<byte[]>();
        var buffer = new byte[AtOnce * Ptrace.SiginfoBytes];
        while (true)
        {
            var count = Ptrace.PeekSiginfo(tracee.Tid, shared, (ulong)signals.Count, buffer);
            Tracee.Check(count, "PTRACE_PEEKSIGINFO");
            for (var i = 0; i < count; i++)
            {
                signals.Add(buffer.AsSpan(i * Ptrace.SiginfoBytes, Ptrace.SiginfoBytes).ToArray());
            }

            // Fewer than asked for is not the end: the kernel breaks off when a signal comes for the thread that asks.
            if (count == 0)
            {
                return signals;
            }
        }
    }

    private static void Queue(Agent agent, Tracee tracee, IEnumerable<byte[]> signals, Action<Batch, (int Pid, int Tid), byte[]> add)
    {
        (int Pid, int Tid)? ids = null;
        foreach (var some in signals.Chunk(SignalsPerBatch))
        {
            var batch = agent.NewBatch(stopOnError: true);
            foreach (var info in some)
            {
                add(batch, ids ??= ProcessStatus.InnermostIds(tracee.Tid), info);
            }

            agent.Execute(batch, tracee, "queueing signals");
        }
    }
}
