using System.Buffers.Binary;
using OpenMosix.Checkpoint.Interop;
using OpenMosix.Checkpoint.Tracing;
using OpenMosix.Protocol.V1;

namespace OpenMosix.Checkpoint.Restore;

/// <summary>
/// What a process does with each signal: as the body wants it, or as its deputy stands in for it (KERNEL.md 9). In a deputy a handler and a
/// terminating default become the agent's handler; SIG_IGN stays itself, so that children are reaped by themselves; stop
/// signals and SIGCONT stay with the kernel at home unless they are caught. The other defaults that ignore get the handler too: the
/// body may block them and wait for them.
/// </summary>
internal static class Dispositions
{
    public const int Bytes = 32; // struct kernel_sigaction: handler, flags, restorer, mask

    private const ulong SIG_IGN = 1;
    private const ulong SA_NOCLDSTOP = 0x1;
    private const ulong SA_NOCLDWAIT = 0x2;
    private const ulong SA_SIGINFO = 0x4;
    private const ulong SA_RESTORER = 0x0400_0000;

    /// <summary>Adds a rt_sigaction for every signal that can be changed, but SIGTRAP, on which a batch ends.</summary>
    public static void AddForBody(Batch batch, ProcessImage image) => AddAll(batch, signal => OfBody(image, signal));

    /// <summary>Likewise, for the deputy whose agent lies at area.</summary>
    public static void AddForDeputy(Batch batch, ProcessImage image, AgentArea area) =>
        AddAll(batch, signal => OfDeputy(image, signal, area));

    public static byte[] OfBody(ProcessImage image, int signal)
    {
        var action = image.Actions.FirstOrDefault(candidate => candidate.Signal == signal);
        return action is null ? new byte[Bytes] : Make(action.Handler, action.Flags, action.Restorer, action.Mask);
    }

    public static byte[] OfDeputy(ProcessImage image, int signal, AgentArea area)
    {
        var action = image.Actions.FirstOrDefault(candidate => candidate.Signal == signal);
        var handler = action?.Handler ?? 0;
        var kept = (action?.Flags ?? 0) & (SA_NOCLDSTOP | SA_NOCLDWAIT);
        if (handler == SIG_IGN || (handler == 0 && StaysDefault(signal)))
        {
            return Make(handler, kept, 0, 0);
        }

        // Every signal is blocked in the handler: the ring has one writer.
        return Make((area.Base + AgentBlob.SignalHandler).Value, SA_SIGINFO | SA_RESTORER | kept, (area.Base + AgentBlob.SignalRestorer).Value, ulong.MaxValue);
    }

    private static bool StaysDefault(int signal) => ((Signals.DefaultStopping | Signals.Bit(Signals.SIGCONT)) & Signals.Bit(signal)) != 0;

    private static void AddAll(Batch batch, Func<int, byte[]> disposition)
    {
        for (var signal = 1; signal <= Signals.Count; signal++)
        {
            if (signal != Signals.SIGTRAP && (Signals.Unchangeable & Signals.Bit(signal)) == 0)
            {
                batch.Add(CallNumber.rt_sigaction, (ulong)signal, batch.Data(disposition(signal)), 0, sizeof(ulong));
            }
        }
    }

    private static byte[] Make(ulong handler, ulong flags, ulong restorer, ulong mask)
    {
        var action = new byte[Bytes];
        BinaryPrimitives.WriteUInt64LittleEndian(action, handler);
        BinaryPrimitives.WriteUInt64LittleEndian(action.AsSpan(8), flags);
        BinaryPrimitives.WriteUInt64LittleEndian(action.AsSpan(16), restorer);
        BinaryPrimitives.WriteUInt64LittleEndian(action.AsSpan(24), mask);
        return action;
    }
}
