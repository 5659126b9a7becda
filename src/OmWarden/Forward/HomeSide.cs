// Home's end of one process that is away: deputy and arena, in the engine. Dispose waits for the engine's threads, and for the one that answers what
// the body asks: on that one everything may be used until it has answered. On others: what takes the lock; the rest not beside Dispose.
using System.Runtime.InteropServices;
using OpenMosix.Checkpoint.Tracing;
using OpenMosix.Protocol.V1;
using OpenMosix.Warden.Interop;

namespace OpenMosix.Warden.Forward;

internal sealed unsafe class HomeSide : IDisposable
{
    private readonly Lock gate = new();
    private readonly nint handle;
    private bool closed;

    private HomeSide(nint handle) => this.handle = handle;

    internal static HomeSide? Open(LinkEngine engine, ulong key, int pid, SafeHandle pidfd, SafeHandle arena, AgentArea area, SafeHandle? state,
        out int errno)
    {
        var options = new OmEngine.om_home_options
        {
            key = key,
            pid = pid,
            pidfd = (int)pidfd.DangerousGetHandle(),
            arena_fd = (int)arena.DangerousGetHandle(),
            slots = area.Slots,
            arena_address = area.Arena.Value,
            threads_address = area.Threads.Value,
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
                return closed ? 0 : OmEngine.om_home_presented(handle);
        }
    }

    /// <summary>A thread of the deputy waits on this slot. 0 or -errno.</summary>
    internal int Thread(uint slot, int tid) => OmEngine.om_home_thread(handle, slot, tid);

    /// <summary>The thread of `by` makes another one. 0 or -errno.</summary>
    internal int Clone(uint by, ulong flags, out uint slot, out int tid)
    {
        uint madeSlot = 0;
        int madeTid = 0;
        int result = OmEngine.om_home_clone(handle, by, flags, &madeSlot, &madeTid);
        (slot, tid) = (madeSlot, madeTid);
        return result;
    }

    /// <summary>A thread ends. 0 or -errno.</summary>
    internal int Exit(uint slot, int status) => OmEngine.om_home_exit(handle, slot, status);

    internal List<(uint Slot, int Tid)> Threads() => SlotList.Read((slots, tids, capacity) => OmEngine.om_home_threads(handle, slots, tids, capacity));

    /// <summary>Executes a call in a thread of the deputy. Returns what the kernel said there; -ESRCH when the deputy is gone.</summary>
    internal long Call(uint slot, long number, ReadOnlySpan<ulong> args, Span<byte> data = default)
    {
        ulong* six = stackalloc ulong[6];
        new Span<ulong>(six, 6).Clear();
        args.CopyTo(new(six, 6));
        long result;
        fixed (byte* bytes = data)
        {
            int error = OmEngine.om_home_call(handle, slot, number, six, bytes, (uint)data.Length, &result);
            return error < 0 ? error : result;
        }
    }

    /// <summary>A deputy's child that may have been made for this arena, and that nobody serves, ends itself. Closes the arena.</summary>
    internal static void Abandon(SafeHandle arena)
    {
        using (arena)
            _ = OmEngine.om_arena_abandon(arena);
    }

    /// <summary>The calls of the body's thread wait until all of ours are made.</summary>
    internal void Reserve(uint slot, bool reserved) => OmEngine.om_home_reserve(handle, slot, reserved);

    /// <summary>Replaces what was said before: calls that mean the data of these files wait for the body to come home. False: no memory.</summary>
    internal bool Guard(IReadOnlyList<SharedMemory> memory)
    {
        OmEngine.om_file_id[] files = [.. memory.Select(one => new OmEngine.om_file_id { device = one.FileDevice, inode = one.FileInode })];
        lock (gate)
            fixed (OmEngine.om_file_id* ids = files)
                return closed || OmEngine.om_home_guard(handle, ids, (uint)files.Length) == 0;
    }

    /// <summary>Where Call's data lies in the deputy.</summary>
    internal ulong DataAddress(uint slot) => OmEngine.om_home_data_address(handle, slot);

    internal void Reply(ulong call, ReadOnlySpan<byte> reply)
    {
        lock (gate)
            if (!closed)
                fixed (byte* bytes = reply)
                    _ = OmEngine.om_home_reply(handle, call, bytes, (uint)reply.Length);
    }

    internal int Control(uint what) => OmEngine.om_home_control(handle, what);

    /// <param name="slot">Whose ring.</param>
    /// <param name="queued">So many of all that came to this slot the body has (ThreadImage.signals_taken); the rest is the result.</param>
    internal List<ArrivedSignal> TakeSignals(uint slot, uint queued)
    {
        const int most = 64;
        var signals = stackalloc OmEngine.om_signal[most];
        int count = OmEngine.om_home_take_signals(handle, slot, queued, signals, most);
        var taken = new List<ArrivedSignal>();
        for (int i = 0; i < count; i++)
            taken.Add(ArrivedSignal.From(slot, &signals[i]));
        return taken;
    }

    internal OmEngine.om_counters Counters()
    {
        OmEngine.om_counters counters;
        lock (gate)
        {
            if (closed)
                return default;
            OmEngine.om_home_counters(handle, &counters);
        }
        return counters;
    }

    /// <summary>No body of it is wanted any more: one that presents itself after Dispose is told so.</summary>
    internal void End() => OmEngine.om_home_end(handle);

    public void Dispose()
    {
        lock (gate)
        {
            if (closed)
                return;
            closed = true;
        }
        OmEngine.om_home_close(handle);
    }
}
