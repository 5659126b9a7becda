// The hosting end of one process: its seccomp listener, in the engine. Any thread; Dispose waits for the engine's threads.
using System.Runtime.InteropServices;
using OpenMosix.Warden.Interop;

namespace OpenMosix.Warden.Forward;

internal sealed unsafe class RemoteSide : IDisposable
{
    internal const uint Continue = 1; // SECCOMP_USER_NOTIF_FLAG_CONTINUE

    private readonly nint handle;
    private int closed;

    private RemoteSide(nint handle) => this.handle = handle;

    internal static RemoteSide? Open(LinkEngine engine, ulong key, uint epoch, int pid, SafeHandle pidfd, SafeHandle listener, string home, ulong area,
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
                pidfd = (int)pidfd.DangerousGetHandle(),
                listener = (int)listener.DangerousGetHandle(),
                home = (byte*)homeText,
                area = area,
                state_fd = state is null ? -1 : (int)state.DangerousGetHandle(),
            };
            nint handle;
            errno = -OmEngine.om_remote_open(engine.Handle, &options, &handle);
            GC.KeepAlive(pidfd);
            GC.KeepAlive(listener);
            GC.KeepAlive(state);
            return errno == 0 ? new(handle) : null;
        }
        finally
        {
            Marshal.FreeCoTaskMem(homeText);
        }
    }

    internal int Start(TimeSpan timeout) => OmEngine.om_remote_start(handle, (uint)timeout.TotalMilliseconds);

    internal int Quiesce() => OmEngine.om_remote_quiesce(handle);

    internal int Resume() => OmEngine.om_remote_resume(handle);

    /// <summary>While quiesced: the epoch that the next Start presents.</summary>
    internal int Present(uint epoch) => OmEngine.om_remote_epoch(handle, epoch);

    internal (int Number, ulong LeftNs)? Left()
    {
        int number;
        ulong left;
        return OmEngine.om_remote_left(handle, &number, &left) == 1 ? (number, left) : null;
    }

    internal void Rest(int number, ulong leftNs) => OmEngine.om_remote_rest(handle, number, leftNs);

    /// <summary>value: the result, or -errno.</summary>
    internal int Answer(ulong notification, long value, uint flags = 0) => OmEngine.om_remote_answer(handle, notification, value, flags);

    /// <summary>A call in the deputy with buffers of the body.</summary>
    internal long Call(int number, ReadOnlySpan<ulong> args) => Call(number, args, local: false);

    /// <summary>A call in the deputy whose buffer argument is ours: buffer's address is put at args[bufferArgument].</summary>
    internal long CallWith(int number, ReadOnlySpan<ulong> args, int bufferArgument, Span<byte> buffer)
    {
        Span<ulong> six = stackalloc ulong[6];
        args.CopyTo(six);
        fixed (byte* bytes = buffer)
        {
            six[bufferArgument] = (ulong)bytes;
            return Call(number, six, local: true);
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

    private long Call(int number, ReadOnlySpan<ulong> args, bool local)
    {
        ulong* six = stackalloc ulong[6];
        new Span<ulong>(six, 6).Clear();
        args.CopyTo(new(six, 6));
        long result;
        int error = OmEngine.om_remote_call(handle, number, six, local, &result);
        return error < 0 ? error : result;
    }
}
