// The listener of one restored body and of all it forks, with the engine's gate behind it and what of both outlives this warden. Lives as long as
// its cell. Any thread.
using Microsoft.Win32.SafeHandles;
using OpenMosix.Warden.Forward;
using OpenMosix.Warden.Handover;
using OpenMosix.Warden.Interop;

namespace OpenMosix.Warden.Held;

internal sealed class CellGate : IDisposable
{
    private const string StoreKind = "gate";
    private static readonly string[] Stored = ["listener", "state"];

    private readonly DescriptorStore store;
    private readonly SafeFileHandle listener;
    private readonly SafeFileHandle state;

    private CellGate(DescriptorStore store, string name, SafeFileHandle listener, SafeFileHandle state, GateSide side)
    {
        (this.store, Name, this.listener, this.state, Side) = (store, name, listener, state, side);
    }

    /// <summary>Under which a guest's record names it.</summary>
    internal string Name { get; }
    internal GateSide Side { get; }

    /// <param name="listener">Is closed with it, also when it cannot be made.</param>
    internal static CellGate? Make(DescriptorStore store, string name, SafeFileHandle listener, out int errno)
    {
        SafeFileHandle state = Memfd.Create("om-gate", OmEngine.StateBytes(0));
        store.Keep(StoreKind, name, Stored[0], listener);
        store.Keep(StoreKind, name, Stored[1], state);
        return Open(store, name, listener, state, out errno);
    }

    /// <summary>One that an earlier warden kept; null when what it left is not whole.</summary>
    internal static CellGate? Adopt(DescriptorStore store, string name) =>
        Open(store, name, store.Take(StoreKind, name, Stored[0]), store.Take(StoreKind, name, Stored[1]), out _);

    private static CellGate? Open(DescriptorStore store, string name, SafeFileHandle? listener, SafeFileHandle? state, out int errno)
    {
        errno = 0;
        if (listener is not null && state is not null && GateSide.Open(listener, state, out errno) is { } side)
            return new(store, name, listener, state, side);
        listener?.Dispose();
        state?.Dispose();
        store.Drop(StoreKind, name, Stored);
        return null;
    }

    public void Dispose()
    {
        Side.Dispose();
        store.Drop(StoreKind, Name, Stored);
        listener.Dispose();
        state.Dispose();
    }
}
