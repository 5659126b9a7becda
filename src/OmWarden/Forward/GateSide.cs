// Where the notifications of a cell's bodies arrive: their seccomp listener, in the engine.
using System.Runtime.InteropServices;
using OpenMosix.Warden.Interop;

namespace OpenMosix.Warden.Forward;

internal sealed unsafe class GateSide : IDisposable
{
    private nint handle;

    private GateSide(nint handle) => this.handle = handle;

    internal nint Handle => handle;

    /// <param name="state">Of OmEngine.StateBytes(0).</param>
    internal static GateSide? Open(SafeHandle listener, SafeHandle state, out int errno)
    {
        nint handle;
        errno = -OmEngine.om_gate_open((int)listener.DangerousGetHandle(), (int)state.DangerousGetHandle(), &handle);
        GC.KeepAlive(listener);
        GC.KeepAlive(state);
        return errno == 0 ? new(handle) : null;
    }

    /// <summary>What is not of a remote that has been opened is refused from now on. 0 or -errno.</summary>
    internal int Start() => OmEngine.om_gate_start(handle);

    public void Dispose()
    {
        if (Interlocked.Exchange(ref handle, 0) is not 0 and var closing)
            OmEngine.om_gate_close(closing);
    }
}
