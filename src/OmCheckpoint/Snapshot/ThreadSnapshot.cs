using System.Buffers.Binary;
using System.Runtime.InteropServices;
using Google.Protobuf;
using OpenMosix.Checkpoint.Cpu;
using OpenMosix.Checkpoint.Freeze;
using OpenMosix.Checkpoint.Interop;
using OpenMosix.Checkpoint.Proc;
using OpenMosix.Checkpoint.Tracing;
using OpenMosix.Protocol.V1;
using ProcessStatus = OpenMosix.Checkpoint.Proc.ProcessStatus;

namespace OpenMosix.Checkpoint.Snapshot;

/// <summary>The thread, and the signal actions of the process: what ptrace tells, and what only the process itself can ask, in one batch.</summary>
internal static class ThreadSnapshot
{
    private const ulong PR_GET_DUMPABLE = 3;
    private const ulong PR_GET_TID_ADDRESS = 40;
    private const ulong PR_GET_THP_DISABLE = 42;
    private const ulong SIGSET_BYTES = 8;
    private const int KernelSigactionBytes = 32; // handler, flags, restorer, mask
    private const int TimespecBytes = 16;
    private const int StackBytes = 24;           // stack_t: address, flags, size

    // CLOCK_MONOTONIC, CLOCK_BOOTTIME, CLOCK_REALTIME
    private static readonly ulong[] Clocks = [1, 7, 0];

    public static void Take(FrozenThread frozen, Agent agent, ProcessImage image, SnapshotOptions options)
    {
        var tracee = frozen.Tracee;
        var status = ProcessStatus.Read(tracee.Tid) ?? throw new TraceeException("the process is gone", Errno.ESRCH);
        var resumption = RestartRules.ForImage(tracee, tracee.Registers, frozen.Context);
        var thread = new ThreadImage
        {
            Tid = image.Pid,
            Name = status.Name,
            Registers = ByteString.CopyFrom(MemoryMarshal.AsBytes([resumption.Registers])),
            SignalMask = tracee.SignalMask,
            ResumedCall = (uint)resumption.Call,
            Restart = (uint)resumption.Restart,
        };
        XsaveLayout.Save(tracee, thread);
        Restartable(tracee, thread);
        // Ours is read before the process reads its own: what lies between makes a sleep longer, never shorter.
        var ours = ClockReader.Monotonic;
        Ask(tracee.Tid, agent, image, thread);
        if (resumption.Call != 0)
        {
            // Told on the process's own clock, which in a cell is home's.
            thread.ResumedDeadlineNs = resumption.Deadline - ours + image.Clocks.MonotonicNs;
        }

        if (options.Forwarded is { } forwarded && resumption.Registers.Rax == (ulong)forwarded.Number)
        {
            thread.ResumedCall = (uint)forwarded.Number;
            thread.ResumedDeadlineNs = forwarded.LeftNs > long.MaxValue / 4 ? long.MaxValue : image.Clocks.MonotonicNs + (long)forwarded.LeftNs;
            thread.ResumedDone = forwarded.Done;
        }

        TakePending(tracee, agent, image, thread);
        image.Threads.Add(thread);
    }

    // What the agent does counts for the timers on CPU time: one that fires meanwhile must be in the image once, as a signal.
    private static void TakePending(Tracee tracee, Agent agent, ProcessImage image, ThreadImage thread)
    {
        while (true)
        {
            thread.Pending.AddRange(Pending(tracee, shared: false));
            image.SharedPending.AddRange(Pending(tracee, shared: true));
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
            thread.Pending.Clear();
            image.SharedPending.Clear();
        }
    }

    private static void Restartable(Tracee tracee, ThreadImage thread)
    {
        var configuration = RseqRules.Configuration(tracee);
        thread.RseqAddress = configuration.Address;
        thread.RseqBytes = configuration.Size;
        thread.RseqSignature = configuration.Signature;
    }

    private static IEnumerable<PendingSignal> Pending(Tracee tracee, bool shared) =>
        SignalQueue.Peek(tracee, shared).Select(info => new PendingSignal { Siginfo = ByteString.CopyFrom(info) });

    private static void Ask(int pid, Agent agent, ProcessImage image, ThreadImage thread)
    {
        var batch = agent.NewBatch();
        var actions = batch.Reserve(Signals.Count * KernelSigactionBytes);
        for (var signal = 1; signal <= Signals.Count; signal++)
        {
            batch.Add(CallNumber.rt_sigaction, (ulong)signal, 0, actions + (ulong)((signal - 1) * KernelSigactionBytes), SIGSET_BYTES);
        }

        var stack = batch.Reserve(StackBytes);
        var words = batch.Reserve(3 * sizeof(ulong)); // tid address, robust list, its length
        var altstack = batch.Add(CallNumber.sigaltstack, 0, stack);
        var tidAddress = batch.Add(CallNumber.prctl, PR_GET_TID_ADDRESS, words);
        var robust = batch.Add(CallNumber.get_robust_list, 0, words + 8, words + 16);
        var dumpable = batch.Add(CallNumber.prctl, PR_GET_DUMPABLE);
        var hugePages = batch.Add(CallNumber.prctl, PR_GET_THP_DISABLE);
        var brk = batch.Add(CallNumber.brk, 0);
        var timers = CpuTimers.Ask(batch);
        var times = batch.Reserve(Clocks.Length * TimespecBytes);
        for (var i = 0; i < Clocks.Length; i++)
        {
            batch.Add(CallNumber.clock_gettime, Clocks[i], times + (ulong)(i * TimespecBytes));
        }

        var results = agent.Run(batch);
        image.Memory = MemorySnapshot.Take(pid, (ulong)results[brk]);
        image.Clocks = new ClockOffsets
        {
            MonotonicNs = Time(results, times, 0),
            BoottimeNs = Time(results, times, 1),
            RealtimeNs = Time(results, times, 2),
        };

        image.CpuTimers.AddRange(CpuTimers.Answered(results, timers));
        for (var signal = 1; signal <= Signals.Count; signal++)
        {
            Tracee.Check(results[signal - 1], $"rt_sigaction({signal})");
            AddAction(image, signal, results.Bytes(actions + (ulong)((signal - 1) * KernelSigactionBytes), KernelSigactionBytes));
        }

        Tracee.Check(results[altstack], "sigaltstack");
        Tracee.Check(results[tidAddress], "PR_GET_TID_ADDRESS");
        Tracee.Check(results[robust], "get_robust_list");
        var stackWords = results.Bytes(stack, StackBytes);
        thread.AltstackAddress = BinaryPrimitives.ReadUInt64LittleEndian(stackWords);
        thread.AltstackFlags = BinaryPrimitives.ReadUInt32LittleEndian(stackWords[8..]);
        thread.AltstackBytes = BinaryPrimitives.ReadUInt64LittleEndian(stackWords[16..]);
        var answered = results.Bytes(words, 3 * sizeof(ulong));
        thread.ClearChildTid = BinaryPrimitives.ReadUInt64LittleEndian(answered);
        thread.RobustList = BinaryPrimitives.ReadUInt64LittleEndian(answered[8..]);
        thread.RobustListBytes = BinaryPrimitives.ReadUInt64LittleEndian(answered[16..]);
        image.Dumpable = results[dumpable] == 1;
        image.ThpDisable = results[hugePages] > 0 ? (uint)results[hugePages] : 0;
    }

    private static long Time(BatchResults results, ulong times, int index)
    {
        var bytes = results.Bytes(times + (ulong)(index * TimespecBytes), TimespecBytes);
        return (BinaryPrimitives.ReadInt64LittleEndian(bytes) * 1_000_000_000) + BinaryPrimitives.ReadInt64LittleEndian(bytes[8..]);
    }

    private static void AddAction(ProcessImage image, int signal, ReadOnlySpan<byte> bytes)
    {
        var action = new SignalAction
        {
            Signal = (uint)signal,
            Handler = BinaryPrimitives.ReadUInt64LittleEndian(bytes),
            Flags = BinaryPrimitives.ReadUInt64LittleEndian(bytes[8..]),
            Restorer = BinaryPrimitives.ReadUInt64LittleEndian(bytes[16..]),
            Mask = BinaryPrimitives.ReadUInt64LittleEndian(bytes[24..]),
        };
        // Flags matter without a handler too: SA_NOCLDWAIT.
        if (action.Handler != 0 || action.Flags != 0)
        {
            image.Actions.Add(action);
        }
    }
}
