// Which thread of a body takes a signal. One that was sent to a thread is that thread's. One for the process goes to a thread that has it
// open, the leader before all others, as the kernel chooses (complete_signal, kernel/signal.c); such a thread queues it for itself, because the
// kernel, asked by the thread that stands still, would choose another one. Where all have it blocked it waits for the process, by the
// leader's call: then who opens it or waits for it (sigwaitinfo) takes it.
using OpenMosix.Checkpoint.Freeze;
using OpenMosix.Protocol.Errors;
using OpenMosix.Warden.Forward;
using OpenMosix.Warden.Held;
using OpenMosix.Warden.Structure;

namespace OpenMosix.Warden.Signals;

/// <param name="Thread">Who queues it.</param>
/// <param name="ForThread">For itself; false: for the process.</param>
internal readonly record struct SignalTaker(GuestThread Thread, bool ForThread)
{
    private const int rt_sigtimedwait = 128;

    /// <returns>null: it was for a thread that has ended, and ends with it.</returns>
    internal static SignalTaker? For(GuestProcess guest, ArrivedSignal signal)
    {
        GuestThread leader = guest.Threads.All.First();
        if (signal.Directed)
            return guest.Threads.InSlot(signal.Slot) is { } meant ? new SignalTaker(meant, true) : null;
        if (guest.Threads.Count == 1)
            return new SignalTaker(leader, false);
        ulong bit = 1ul << (signal.Number - 1);
        foreach (GuestThread thread in guest.Threads.All)
            if (HasOpen(guest, thread, bit))
                return new SignalTaker(thread, true);
        return new SignalTaker(leader, false);
    }

    /// <summary>Has the thread, which is held, queue them.</summary>
    internal void Queue(GuestProcess guest, FrozenProcess body, IReadOnlyList<ArrivedSignals.Waiting> signals)
    {
        byte[][] siginfos = [.. signals.Select(waiting => waiting.Signal.Siginfo)];
        Outcome queued = ForThread ? body.QueueThreadSignals(Thread.Here, siginfos) : body.QueueSignals(siginfos);
        if (queued is { Ok: false } failed)
            guest.LogNotDelivered(guest.Key, failed.Failure!.Message);
        foreach (ArrivedSignals.Waiting waiting in signals)
            guest.Remote.Queued(waiting.Signal.Slot, waiting.Count);
    }

    private static bool HasOpen(GuestProcess guest, GuestThread thread, ulong bit)
    {
        // While a thread waits for signals the kernel shows them as open, though it is the wait that takes them.
        try
        {
            if (CallOf(thread.Here) == rt_sigtimedwait)
                return false;
            ulong blocked = guest.Remote.WaitsUnder(thread.Slot) ?? new BodyMemory(thread.Here).Signals().Mask;
            return (blocked & bit) == 0;
        }
        catch (Exception gone) when (gone is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    private static int? CallOf(int tid)
    {
        string text = File.ReadAllText($"/proc/{tid}/syscall");
        return int.TryParse(text.AsSpan(0, Math.Max(0, text.IndexOf(' '))), out int number) ? number : null;
    }
}
