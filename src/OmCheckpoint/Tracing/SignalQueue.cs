using System.Buffers.Binary;
using OpenMosix.Checkpoint.Interop;
using OpenMosix.Checkpoint.Proc;

namespace OpenMosix.Checkpoint.Tracing;

/// <summary>Queues signals as the process itself: only so may si_code be what it was (KERNEL.md 31).</summary>
internal static class SignalQueue
{
    /// <summary>Adds what queues signals for the thread. The process is asked who it is: in a namespace its pid is another one.</summary>
    public static void AddToSelf(Batch batch, Tracee tracee, IEnumerable<byte[]> signals)
    {
        var (pid, tid) = ProcessStatus.InnermostIds(tracee.Tid);
        foreach (var siginfo in signals)
        {
            batch.Add(CallNumber.rt_tgsigqueueinfo, (ulong)pid, (ulong)tid, (ulong)SignalOf(siginfo), batch.Data(siginfo));
        }
    }

    public static void AddToProcess(Batch batch, Tracee tracee, IEnumerable<byte[]> signals)
    {
        var (pid, _) = ProcessStatus.InnermostIds(tracee.Tid);
        foreach (var siginfo in signals)
        {
            batch.Add(CallNumber.rt_sigqueueinfo, (ulong)pid, (ulong)SignalOf(siginfo), batch.Data(siginfo));
        }
    }

    public static int SignalOf(ReadOnlySpan<byte> siginfo) => BinaryPrimitives.ReadInt32LittleEndian(siginfo);

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

            if (count < AtOnce)
            {
                return signals;
            }
        }
    }
}
