// The hosting end of one process, in the engine. Any thread; Dispose waits for the engine's threads.
using System.Runtime.InteropServices;
using OpenMosix.Checkpoint.Snapshot;
using OpenMosix.Checkpoint.Tracing;
using OpenMosix.Protocol.V1;
using OpenMosix.Warden.Interop;

namespace OpenMosix.Warden.Forward;

/// <summary>enum om_quiesce.</summary>
internal enum Quiesce
{
    Here,
    Move,
    Return,
}

internal sealed unsafe class RemoteSide : IDisposable
{
    internal const uint Continue = 1; // SECCOMP_USER_NOTIF_FLAG_CONTINUE

    private readonly nint handle;
    private int closed;

    private RemoteSide(nint handle) => this.handle = handle;

    internal static RemoteSide? Open(LinkEngine engine, ulong key, uint epoch, int pid, int homePid, SafeHandle pidfd, GateSide gate, string home, AgentArea area,
        SafeHandle? state, out int errno)
    {
        nint homeText = Marshal.StringToCoTaskMemUTF8(home);
        try
        {
            var options = new OmEngine.om_remote_options
            {
                key = key,
                epoch = epoch,
                pid = pid,
                home_pid = homePid,
                pidfd = (int)pidfd.DangerousGetHandle(),
                gate = gate.Handle,
                home = (byte*)homeText,
                area = area.Base.Value,
                slots = area.Slots,
                state_fd = state is null ? -1 : (int)state.DangerousGetHandle(),
            };
            nint handle;
            errno = -OmEngine.om_remote_open(engine.Handle, &options, &handle);
            GC.KeepAlive(pidfd);
            GC.KeepAlive(gate);
            GC.KeepAlive(state);
            return errno == 0 ? new(handle) : null;
        }
        finally
        {
            Marshal.FreeCoTaskMem(homeText);
        }
    }

    internal int Start(TimeSpan timeout) => OmEngine.om_remote_start(handle, (uint)timeout.TotalMilliseconds);

    /// <summary>A thread of the body has this slot; tid in our pid namespace. 0 or -errno.</summary>
    internal int Thread(uint slot, int tid, uint signals) => OmEngine.om_remote_thread(handle, slot, tid, signals);

    internal void ThreadGone(uint slot) => OmEngine.om_remote_thread_gone(handle, slot);

    internal List<(uint Slot, int Tid)> Threads() => SlotList.Read((slots, tids, capacity) => OmEngine.om_remote_threads(handle, slots, tids, capacity));

    /// <summary>Of one thread, or OmEngine.EveryThread. 0; -errno: nothing has changed.</summary>
    internal int Quiesce(uint slot, Quiesce why, TimeSpan within) => OmEngine.om_remote_quiesce(handle, slot, (int)why, (uint)within.TotalMilliseconds);

    /// <summary>While quiesced: a call of this thread was in progress and has been ended.</summary>
    internal bool CallEnded(uint slot) => OmEngine.om_remote_ended(handle, slot);

    /// <summary>While quiesced: so many more of the signals that were handed out for this slot are queued in the body.</summary>
    internal void Queued(uint slot, int signals) => OmEngine.om_remote_queued(handle, slot, (uint)signals);

    /// <summary>How many that came to this slot have been queued in the body since it left home.</summary>
    internal uint Signals(uint slot) => OmEngine.om_remote_signals(handle, slot);

    internal int Resume(uint slot) => OmEngine.om_remote_resume(handle, slot);

    /// <summary>While quiesced: the epoch that the next Start presents.</summary>
    internal int Present(uint epoch) => OmEngine.om_remote_epoch(handle, epoch);

    /// <summary>While quiesced: the mask under which a call waits that was cut short.</summary>
    internal ulong? Mask(uint slot)
    {
        ulong mask;
        return OmEngine.om_remote_mask(handle, slot, &mask) == 1 ? mask : null;
    }

    /// <summary>A call of this thread is on its way home, or waits there.</summary>
    internal bool InCall(uint slot) => OmEngine.om_remote_in_call(handle, slot);

    /// <summary>The mask under which a call waits now, if it has one of its own.</summary>
    internal ulong? WaitsUnder(uint slot)
    {
        ulong mask;
        return OmEngine.om_remote_waits_under(handle, slot, &mask) == 1 ? mask : null;
    }

    /// <summary>While quiesced: what is left of a call that was cut short.</summary>
    internal ForwardedCall? Left(uint slot)
    {
        int number;
        ulong left, done;
        return OmEngine.om_remote_left(handle, slot, &number, &left, &done) == 1 ? new(number, left, done) : null;
    }

    internal void Rest(uint slot, int number, ulong leftNs, ulong done) => OmEngine.om_remote_rest(handle, slot, number, leftNs, done);

    internal void MayRunOn(uint slot, ReadOnlySpan<byte> mask)
    {
        fixed (byte* bytes = mask)
            OmEngine.om_remote_affinity(handle, slot, bytes, (uint)mask.Length);
    }

    internal RemoteUsage? Usage()
    {
        OmEngine.om_usage usage;
        return OmEngine.om_remote_usage(handle, &usage) != 0 ? null : ToMessage(usage);
    }

    internal RemoteUsage? Usage(uint slot)
    {
        OmEngine.om_usage usage;
        return OmEngine.om_remote_thread_usage(handle, slot, &usage) != 0 ? null : ToMessage(usage);
    }

    internal void UsedBefore(RemoteUsage before)
    {
        OmEngine.om_usage usage = FromMessage(before);
        OmEngine.om_remote_usage_before(handle, &usage);
    }

    internal void UsedBefore(uint slot, RemoteUsage before)
    {
        OmEngine.om_usage usage = FromMessage(before);
        OmEngine.om_remote_thread_usage_before(handle, slot, &usage);
    }

    private static RemoteUsage ToMessage(in OmEngine.om_usage usage) => new()
    {
        UserNs = usage.user_ns,
        SystemNs = usage.system_ns,
        MinorFaults = usage.minor_faults,
        MajorFaults = usage.major_faults,
        MostResidentKib = usage.most_resident_kib,
        VoluntarySwitches = usage.voluntary_switches,
        InvoluntarySwitches = usage.involuntary_switches,
    };

    private static OmEngine.om_usage FromMessage(RemoteUsage usage) => new()
    {
        user_ns = usage.UserNs,
        system_ns = usage.SystemNs,
        minor_faults = usage.MinorFaults,
        major_faults = usage.MajorFaults,
        most_resident_kib = usage.MostResidentKib,
        voluntary_switches = usage.VoluntarySwitches,
        involuntary_switches = usage.InvoluntarySwitches,
    };

    /// <summary>False: the call has been taken back, and the body will issue it again.</summary>
    internal bool Conduct(ulong notification) => OmEngine.om_remote_conduct(handle, notification) == 0;

    /// <summary>value: the result, or -errno.</summary>
    internal int Answer(ulong notification, long value, uint flags = 0) => OmEngine.om_remote_answer(handle, notification, value, flags);

    /// <summary>It waits until the body is stopped, and is then issued again.</summary>
    internal void Postpone(ulong notification) => OmEngine.om_remote_postpone(handle, notification);

    /// <summary>A call in a thread of the deputy with buffers of the body.</summary>
    internal long Call(uint slot, int number, ReadOnlySpan<ulong> args) => Call(slot, number, args, local: false);

    /// <summary>A call in the deputy whose buffer argument is ours: buffer's address is put at args[bufferArgument].</summary>
    internal long CallWith(uint slot, int number, ReadOnlySpan<ulong> args, int bufferArgument, Span<byte> buffer)
    {
        Span<ulong> six = stackalloc ulong[6];
        args.CopyTo(six);
        fixed (byte* bytes = buffer)
        {
            six[bufferArgument] = (ulong)bytes;
            return Call(slot, number, six, local: true);
        }
    }

    /// <summary>Likewise, with a second one that is only read.</summary>
    internal long CallWith(uint slot, int number, ReadOnlySpan<ulong> args, int inputArgument, ReadOnlySpan<byte> input, int bufferArgument, Span<byte> buffer)
    {
        Span<ulong> six = stackalloc ulong[6];
        args.CopyTo(six);
        fixed (byte* bytes = input)
        {
            six[inputArgument] = (ulong)bytes;
            return CallWith(slot, number, six, bufferArgument, buffer);
        }
    }

    /// <summary>Asks home's warden. The reply, or null and errno.</summary>
    internal byte[]? Ask(uint kind, ReadOnlySpan<byte> request, out int errno)
    {
        byte[] reply = new byte[4096];
        fixed (byte* bytes = request, room = reply)
        {
            int got = OmEngine.om_remote_ask(handle, kind, bytes, (uint)request.Length, room, (uint)reply.Length);
            errno = got < 0 ? -got : 0;
            return got < 0 ? null : reply[..got];
        }
    }

    internal OmEngine.om_counters Counters()
    {
        OmEngine.om_counters counters = default;
        _ = OmEngine.om_remote_counters(handle, &counters);
        return counters;
    }

    /// <summary>Calls by number: made, and refused.</summary>
    internal (ulong[] Calls, ulong[] Refused) CallCounts()
    {
        const int most = 512;
        ulong[] calls = new ulong[most], refused = new ulong[most];
        int count;
        fixed (ulong* callCounts = calls, refusedCounts = refused)
            count = Math.Clamp(OmEngine.om_remote_call_counts(handle, callCounts, refusedCounts, most), 0, most);
        return (calls[..count], refused[..count]);
    }

    public void Dispose()
    {
        if (Interlocked.Exchange(ref closed, 1) == 0)
            OmEngine.om_remote_close(handle);
    }

    private long Call(uint slot, int number, ReadOnlySpan<ulong> args, bool local)
    {
        ulong* six = stackalloc ulong[6];
        new Span<ulong>(six, 6).Clear();
        args.CopyTo(new(six, 6));
        long result;
        int error = OmEngine.om_remote_call(handle, slot, number, six, local, &result);
        return error < 0 ? error : result;
    }
}
