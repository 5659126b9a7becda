using System.Buffers.Binary;
using OpenMosix.Checkpoint.Cpu;
using OpenMosix.Checkpoint.Interop;
using OpenMosix.Checkpoint.Tracing;
using OpenMosix.Protocol.V1;

namespace OpenMosix.Checkpoint.Snapshot;

/// <summary>What its threads have in common beside memory: signal actions, clocks, timers on CPU time, the break. Only the process itself can ask
/// for it, in one batch.</summary>
internal static class StateSnapshot
{
    private const ulong PR_GET_DUMPABLE = 3;
    private const ulong PR_GET_THP_DISABLE = 42;
    private const ulong SIGSET_BYTES = 8;
    private const ulong MEMBARRIER_CMD_GET_REGISTRATIONS = 512; // Linux 6.3; an older kernel does not tell
    private const int KernelSigactionBytes = 32; // handler, flags, restorer, mask
    private const int TimespecBytes = 16;

    // CLOCK_MONOTONIC, CLOCK_BOOTTIME, CLOCK_REALTIME
    private static readonly ulong[] Clocks = [1, 7, 0];

    public static void Take(int pid, Agent agent, ProcessImage image)
    {
        var batch = agent.NewBatch();
        var actions = batch.Reserve(Signals.Count * KernelSigactionBytes);
        for (var signal = 1; signal <= Signals.Count; signal++)
        {
            batch.Add(CallNumber.rt_sigaction, (ulong)signal, 0, actions + (ulong)((signal - 1) * KernelSigactionBytes), SIGSET_BYTES);
        }

        var dumpable = batch.Add(CallNumber.prctl, PR_GET_DUMPABLE);
        var hugePages = batch.Add(CallNumber.prctl, PR_GET_THP_DISABLE);
        var membarrier = batch.Add(CallNumber.membarrier, MEMBARRIER_CMD_GET_REGISTRATIONS);
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

        image.Membarrier = results[membarrier] > 0 ? (uint)results[membarrier] : 0;
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
