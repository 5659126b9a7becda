using System.Buffers.Binary;
using OpenMosix.Warden.Forward;

namespace OpenMosix.Warden.Signals;

/// <summary>
/// Signals that reached the deputy and are not yet pending in the body, in the order in which they came. What the kernel would not keep twice is
/// not kept twice: another one of a standard signal that waits already, and another tick of a timer (signal(7), timer_getoverrun(2)).
/// Added to on the engine's threads, taken on the queue of the process.
/// </summary>
internal sealed class ArrivedSignals
{
    private const int SIGRTMIN = 32;
    private const int SI_TIMER = -2;
    private const int TimerOffset = 16;
    private const int OverrunOffset = 20;

    private readonly Lock gate = new();
    private List<Waiting> waiting = [];
    private bool asked; // for a delivery that has not begun

    /// <param name="Signal">The first of them.</param>
    /// <param name="Count">How many came in this slot that it stands for.</param>
    internal readonly record struct Waiting(ArrivedSignal Signal, int Count);

    internal bool Any
    {
        get
        {
            lock (gate)
                return waiting.Count > 0;
        }
    }

    /// <returns>Whether a delivery has to be asked for. False: one that has not begun will find this signal, too. A timer that ticks faster than a body can be
    /// stopped would fill the queue of the process otherwise, and whoever wants to move it would never have its turn.</returns>
    internal bool Add(ArrivedSignal signal)
    {
        lock (gate)
        {
            int same = waiting.FindIndex(other => IsSame(other.Signal, signal));
            if (same < 0)
                waiting.Add(new(signal, 1));
            else
                waiting[same] = Joined(waiting[same]);
            return !asked && (asked = true);
        }
    }

    /// <summary>The delivery that was asked for begins.</summary>
    internal void Begin()
    {
        lock (gate)
            asked = false;
    }

    internal List<Waiting> TakeAll()
    {
        lock (gate)
        {
            List<Waiting> all = waiting;
            waiting = [];
            return all;
        }
    }

    /// <summary>They come before what has arrived since.</summary>
    internal void PutBack(List<Waiting> signals)
    {
        lock (gate)
            waiting.InsertRange(0, signals);
    }

    /// <summary>The thread of this slot has ended, and with it what was for it alone. What was for the process stays, but is counted no more: of what
    /// comes to the slot, the next one in it has had nothing yet.</summary>
    internal void Ended(uint slot)
    {
        lock (gate)
            waiting = [.. waiting.Where(one => one.Signal.Slot != slot || !one.Signal.Directed)
                .Select(one => one.Signal.Slot == slot ? one with { Count = 0 } : one)];
    }

    private static bool IsSame(ArrivedSignal one, ArrivedSignal other)
    {
        if (one.Slot != other.Slot || one.Directed != other.Directed || one.Number != other.Number)
            return false;
        return one.Number < SIGRTMIN || one.Code == SI_TIMER && other.Code == SI_TIMER
            && one.Siginfo.AsSpan(TimerOffset, 4).SequenceEqual(other.Siginfo.AsSpan(TimerOffset, 4));
    }

    private static Waiting Joined(Waiting first)
    {
        if (first.Signal.Code == SI_TIMER)
        {
            Span<byte> overrun = first.Signal.Siginfo.AsSpan(OverrunOffset, 4);
            BinaryPrimitives.WriteInt32LittleEndian(overrun, BinaryPrimitives.ReadInt32LittleEndian(overrun) + 1);
        }
        return first with { Count = first.Count + 1 };
    }
}
