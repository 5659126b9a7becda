// Home's end of one process that is away: deputy and arena, in the engine. Any thread; Dispose waits for the engine's threads.
using System.Runtime.InteropServices;
using OpenMosix.Warden.Interop;

namespace OpenMosix.Warden.Forward;

internal sealed unsafe class HomeSide : IDisposable
{
    private readonly Lock gate = new();
    private nint handle;

    private HomeSide(nint handle) => this.handle = handle;

    internal static HomeSide? Open(LinkEngine engine, ulong key, int pid, SafeHandle pidfd, SafeHandle arena, ulong arenaAddress, SafeHandle? state,
        out int errno)
    {
        var options = new OmEngine.om_home_options
        {
            key = key,
            pid = pid,
            pidfd = (int)pidfd.DangerousGetHandle(),
            arena_fd = (int)arena.DangerousGetHandle(),
            arena_address = arenaAddress,
            state_fd = state is null ? -1 : (int)state.DangerousGetHandle(),
        };
        nint handle;
        errno = -OmEngine.om_home_open(engine.Handle, &options, &handle);
        GC.KeepAlive(pidfd);
        GC.KeepAlive(arena);
        GC.KeepAlive(state);
        return errno == 0 ? new(handle) : null;
    }

    /// <summary>1: the epoch in force was claimed (only with takeBack); 0: in force now; -EBUSY: the body has presented itself since; -errno.</summary>
    internal int Expect(string node, uint epoch, bool takeBack, uint presented = 0) => OmEngine.om_home_expect(handle, node, epoch, takeBack, presented);

    /// <summary>How often the body has presented itself.</summary>
    internal uint Presented
    {
        get
        {
            lock (gate)
                return handle == 0 ? 0 : OmEngine.om_home_presented(handle);
        }
    }

    /// <summary>Executes a call in the deputy. Returns what the kernel said there; -ESRCH when the deputy is gone.</summary>
    internal long Call(long number, ReadOnlySpan<ulong> args, Span<byte> data = default)
    {
        ulong* six = stackalloc ulong[6];
        new Span<ulong>(six, 6).Clear();
        args.CopyTo(new(six, 6));
        long result;
        fixed (byte* bytes = data)
        {
            int error = OmEngine.om_home_call(handle, number, six, bytes, (uint)data.Length, &result);
            return error < 0 ? error : result;
        }
    }

    /// <summary>The body's calls wait until all of ours are made.</summary>
    internal void Reserve(bool reserved) => OmEngine.om_home_reserve(handle, reserved);

    /// <summary>Where Call's data lies in the deputy.</summary>
    internal ulong DataAddress => OmEngine.om_home_data_address(handle);

    internal void Reply(ulong call, ReadOnlySpan<byte> reply)
    {
        lock (gate)
            if (handle != 0)
                fixed (byte* bytes = reply)
                    _ = OmEngine.om_home_reply(handle, call, bytes, (uint)reply.Length);
    }

    internal int Control(uint what) => OmEngine.om_home_control(handle, what);

    /// <param name="queued">So many of all that came to the deputy the body has (ProcessImage.signals_taken); the rest is the result.</param>
    internal List<byte[]> TakeSignals(uint queued)
    {
        const int most = 64;
        var signals = stackalloc OmEngine.om_signal[most];
        int count = OmEngine.om_home_take_signals(handle, queued, signals, most);
        var taken = new List<byte[]>();
        for (int i = 0; i < count; i++)
            taken.Add(new Span<byte>(signals[i].info, 128).ToArray());
        return taken;
    }

    internal OmEngine.om_counters Counters()
    {
        OmEngine.om_counters counters;
        lock (gate)
        {
            if (handle == 0)
                return default;
            OmEngine.om_home_counters(handle, &counters);
        }
        return counters;
    }

    public void Dispose()
    {
        nint closing;
        lock (gate)
            (closing, handle) = (handle, 0);
        if (closing != 0)
            OmEngine.om_home_close(closing);
    }
}
