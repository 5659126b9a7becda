using OpenMosix.Warden.Forward;
using OpenMosix.Warden.Signals;

namespace OpenMosix.Warden.Tests.Signals;

public sealed class ArrivedSignalsTests
{
    private const byte SIGUSR1 = 10, SIGUSR2 = 12;

    [Fact]
    public void Ended_Thread_TakesItsOwnAlongAndLeavesTheProcesssUncounted()
    {
        var signals = new ArrivedSignals();
        signals.Add(Signal(3, directed: true, SIGUSR1));
        signals.Add(Signal(3, directed: false, SIGUSR1));
        signals.Add(Signal(4, directed: true, SIGUSR1));
        signals.Ended(3);
        signals.Add(Signal(3, directed: true, SIGUSR2)); // of the next one in the slot
        signals.Add(Signal(3, directed: false, SIGUSR1));
        Assert.Equal(
            [(3u, false, SIGUSR1, 1), (4u, true, SIGUSR1, 1), (3u, true, SIGUSR2, 1)],
            signals.TakeAll().Select(one => (one.Signal.Slot, one.Signal.Directed, one.Signal.Number, one.Count)));
    }

    [Fact]
    public void Add_WhileADeliveryHasBeenAskedFor_AsksForNoOther()
    {
        var signals = new ArrivedSignals();
        Assert.True(signals.Add(Signal(0, directed: false, SIGUSR1)));
        Assert.False(signals.Add(Signal(0, directed: false, SIGUSR2)));
        signals.Begin();
        Assert.True(signals.Add(Signal(0, directed: false, SIGUSR1))); // the one that has begun may have looked already
        Assert.Equal([SIGUSR1, SIGUSR2], signals.TakeAll().Select(one => one.Signal.Number));
    }

    private static ArrivedSignal Signal(uint slot, bool directed, byte number) => new(slot, directed, [number, .. new byte[127]]);
}
