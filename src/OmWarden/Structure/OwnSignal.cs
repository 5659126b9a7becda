// A signal that a body sends to itself or to one of its threads. The thread sends it here, so that order, sender and taker are the kernel's own
// work; only a thread that waits for home's answer does not notice (its notification waits for nothing but the answer and its death), and
// is stopped as for a signal that came from home. One of which it dies with a core it sends itself at home, where its core belongs.
using System.Buffers.Binary;
using OpenMosix.Checkpoint.Freeze;
using OpenMosix.Protocol.Errors;
using OpenMosix.Warden.Forward;
using OpenMosix.Warden.Held;

namespace OpenMosix.Warden.Structure;

internal static class OwnSignal
{
    private const int SYS_kill = 62, SYS_rt_sigqueueinfo = 129, SYS_prlimit64 = 302;
    private const ulong RLIMIT_CORE = 4;

    // SIGQUIT, ILL, TRAP, ABRT, BUS, FPE, SEGV, XCPU, XFSZ, SYS (signal(7)).
    private const ulong WithCore = 1ul << 2 | 1ul << 3 | 1ul << 4 | 1ul << 5 | 1ul << 6 | 1ul << 7 | 1ul << 10 | 1ul << 23 | 1ul << 24 | 1ul << 30;

    internal static void Conduct(GuestProcess guest, StructuralCall call)
    {
        int signal = (int)call.Args[call.Number is SYS_kill or SYS_rt_sigqueueinfo ? 1 : 2];
        if (LeavesCore(guest, call, signal))
        {
            guest.GoHome(call, "it ends with a core");
            return;
        }
        Outcome<FrozenProcess> stopped = guest.StopIn(call);
        if (!stopped.Ok)
            return; // it has ended; its cell reports that
        using FrozenProcess sender = stopped.Value;
        bool sent = sender.MakeCall() is { Ok: true, Value: 0 };
        guest.GoOn(sender);
        if (!sent)
            return;
        foreach (GuestThread thread in guest.Threads.All.Where(thread => guest.Remote.InCall(thread.Slot)).ToList())
            if (Takes(guest, thread))
                guest.Due(thread.Slot);
    }

    private static bool LeavesCore(GuestProcess guest, StructuralCall call, int signal)
    {
        if (signal is < 1 or > 64 || (WithCore >> (signal - 1) & 1) == 0 || !guest.Dispositions.IsDefault(signal)
            || (new BodyMemory(call.Tid).Signals().Mask >> (signal - 1) & 1) != 0)
            return false;
        Span<byte> limit = stackalloc byte[16];
        return guest.Remote.CallWith(call.Slot, SYS_prlimit64, [0, RLIMIT_CORE, 0, 0], 3, limit) == 0 && BinaryPrimitives.ReadUInt64LittleEndian(limit) > 0;
    }

    /// <summary>A signal waits that this thread has open and that something comes of.</summary>
    private static bool Takes(GuestProcess guest, GuestThread thread)
    {
        try
        {
            return new BodyMemory(thread.Here).WouldTake(guest.Remote.WaitsUnder(thread.Slot));
        }
        catch (Exception gone) when (gone is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }
}
