// om_engine.h, 1:1. Everything here returns 0, a count or -errno.
using System.Runtime.InteropServices;

namespace OpenMosix.Warden.Interop;

internal static unsafe partial class OmEngine
{
    internal const string Library = "omengine";
    internal const uint EveryThread = uint.MaxValue;
    private const int StatePageBytes = 4096;

    /// <summary>OM_STATE_BYTES.</summary>
    internal static long StateBytes(uint slots) => StatePageBytes * (1L + slots);

    internal const uint OM_CONTROL_STOP = 1;
    internal const uint OM_CONTROL_CONTINUE = 2;
    internal const uint OM_CONTROL_GONE = 3;
    internal const uint OM_CONTROL_FENCED = 4;

    [StructLayout(LayoutKind.Sequential)]
    internal struct om_structural
    {
        internal ulong notification;
        internal uint tid;
        internal uint slot;
        internal int number;
        internal uint goes_home;
        internal fixed ulong args[6];
        internal ulong instruction_pointer;
    }

    [StructLayout(LayoutKind.Sequential)]
    internal struct om_signal
    {
        internal int signo;
        internal int directed;
        internal fixed byte info[128];
    }

    [StructLayout(LayoutKind.Sequential)]
    internal struct om_callbacks
    {
        internal nint context;
        internal delegate* unmanaged<nint, ulong, uint, void> home_claimed;
        internal delegate* unmanaged<nint, ulong, void> home_deputy_gone;
        internal delegate* unmanaged<nint, ulong, ulong, uint, byte*, uint, void> home_structural;
        internal delegate* unmanaged<nint, ulong, int, void> home_guarded;
        internal delegate* unmanaged<nint, ulong, om_structural*, void> remote_structural;
        internal delegate* unmanaged<nint, ulong, uint, om_signal*, ulong, void> remote_signal;
        internal delegate* unmanaged<nint, ulong, uint, void> remote_due;
        internal delegate* unmanaged<nint, ulong, uint, void> remote_control;
        internal delegate* unmanaged<nint, byte*, byte, byte*, void> link_state;
    }

    [StructLayout(LayoutKind.Sequential)]
    internal struct om_engine_options
    {
        internal byte* node;
        internal byte* certificate_path;
        internal byte* key_path;
        internal byte* ca_path;
        internal byte* listen_address;
        internal ushort listen_port;
        internal om_callbacks callbacks;
    }

    [StructLayout(LayoutKind.Sequential)]
    internal struct om_home_options
    {
        internal ulong key;
        internal int pid;
        internal int pidfd;
        internal int arena_fd;
        internal uint slots;
        internal ulong arena_address;
        internal ulong threads_address;
        internal int state_fd;
    }

    [StructLayout(LayoutKind.Sequential)]
    internal struct om_remote_options
    {
        internal ulong key;
        internal uint epoch;
        internal int pid;
        internal int home_pid;
        internal int pidfd;
        internal nint gate;
        internal byte* home;
        internal ulong area;
        internal uint slots;
        internal int state_fd;
    }

    [StructLayout(LayoutKind.Sequential)]
    internal struct om_file_id
    {
        internal ulong device, inode;
    }

    [StructLayout(LayoutKind.Sequential)]
    internal struct om_usage
    {
        internal ulong user_ns, system_ns, minor_faults, major_faults, most_resident_kib, voluntary_switches, involuntary_switches;
    }

    [StructLayout(LayoutKind.Sequential)]
    internal struct om_counters
    {
        internal ulong calls, bytes_out, bytes_in, refused;
    }

    [LibraryImport(Library)]
    internal static partial int om_engine_open(om_engine_options* options, nint* engine);
    [LibraryImport(Library)]
    internal static partial void om_engine_close(nint engine);
    [LibraryImport(Library)]
    internal static partial int om_engine_port(nint engine);
    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int om_engine_peer(nint engine, string node, string address, ushort port);
    [LibraryImport(Library)]
    internal static partial void om_engine_homes_known(nint engine);

    [LibraryImport(Library)]
    internal static partial int om_home_open(nint engine, om_home_options* options, nint* home);
    [LibraryImport(Library)]
    internal static partial void om_home_end(nint home);
    [LibraryImport(Library)]
    internal static partial void om_home_close(nint home);
    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int om_home_expect(nint home, string node, uint epoch, [MarshalAs(UnmanagedType.U1)] bool takeBack, uint presented);
    [LibraryImport(Library)]
    internal static partial uint om_home_presented(nint home);
    [LibraryImport(Library)]
    internal static partial int om_home_thread(nint home, uint slot, int tid);
    [LibraryImport(Library)]
    internal static partial int om_home_clone(nint home, uint by, ulong flags, uint* slot, int* tid);
    [LibraryImport(Library)]
    internal static partial int om_home_exit(nint home, uint slot, int status);
    [LibraryImport(Library)]
    internal static partial int om_arena_abandon(SafeHandle arenaFd);
    [LibraryImport(Library)]
    internal static partial int om_home_threads(nint home, uint* slots, int* tids, uint capacity);
    [LibraryImport(Library)]
    internal static partial int om_home_call(nint home, uint slot, long number, ulong* args, void* data, uint bytes, long* result);
    [LibraryImport(Library)]
    internal static partial int om_home_guard(nint home, om_file_id* files, uint count);
    [LibraryImport(Library)]
    internal static partial void om_home_reserve(nint home, uint slot, [MarshalAs(UnmanagedType.U1)] bool reserved);
    [LibraryImport(Library)]
    internal static partial ulong om_home_data_address(nint home, uint slot);
    [LibraryImport(Library)]
    internal static partial int om_home_reply(nint home, ulong call, void* reply, uint bytes);
    [LibraryImport(Library)]
    internal static partial int om_home_control(nint home, uint what);
    [LibraryImport(Library)]
    internal static partial int om_home_take_signals(nint home, uint slot, uint queued, om_signal* signals, uint capacity);
    [LibraryImport(Library)]
    internal static partial void om_home_counters(nint home, om_counters* counters);

    [LibraryImport(Library)]
    internal static partial int om_gate_open(int listener, int stateFd, nint* gate);
    [LibraryImport(Library)]
    internal static partial int om_gate_start(nint gate);
    [LibraryImport(Library)]
    internal static partial void om_gate_close(nint gate);

    [LibraryImport(Library)]
    internal static partial int om_remote_open(nint engine, om_remote_options* options, nint* remote);
    [LibraryImport(Library)]
    internal static partial int om_remote_thread(nint remote, uint slot, int tid, uint signals);
    [LibraryImport(Library)]
    internal static partial void om_remote_thread_gone(nint remote, uint slot);
    [LibraryImport(Library)]
    internal static partial int om_remote_threads(nint remote, uint* slots, int* tids, uint capacity);
    [LibraryImport(Library)]
    internal static partial int om_remote_start(nint remote, uint timeoutMs);
    [LibraryImport(Library)]
    internal static partial int om_remote_quiesce(nint remote, uint slot, int why, uint timeoutMs);
    [LibraryImport(Library)]
    [return: MarshalAs(UnmanagedType.U1)]
    internal static partial bool om_remote_ended(nint remote, uint slot);
    [LibraryImport(Library)]
    internal static partial void om_remote_queued(nint remote, uint slot, uint signals);
    [LibraryImport(Library)]
    internal static partial uint om_remote_signals(nint remote, uint slot);
    [LibraryImport(Library)]
    internal static partial int om_remote_resume(nint remote, uint slot);
    [LibraryImport(Library)]
    internal static partial int om_remote_mask(nint remote, uint slot, ulong* mask);
    [LibraryImport(Library)]
    [return: MarshalAs(UnmanagedType.U1)]
    internal static partial bool om_remote_in_call(nint remote, uint slot);
    [LibraryImport(Library)]
    internal static partial int om_remote_waits_under(nint remote, uint slot, ulong* mask);
    [LibraryImport(Library)]
    internal static partial int om_remote_left(nint remote, uint slot, int* number, ulong* leftNs, ulong* done);
    [LibraryImport(Library)]
    internal static partial void om_remote_rest(nint remote, uint slot, int number, ulong leftNs, ulong done);
    [LibraryImport(Library)]
    internal static partial int om_remote_usage(nint remote, om_usage* usage);
    [LibraryImport(Library)]
    internal static partial void om_remote_usage_before(nint remote, om_usage* usage);
    [LibraryImport(Library)]
    internal static partial int om_remote_thread_usage(nint remote, uint slot, om_usage* usage);
    [LibraryImport(Library)]
    internal static partial void om_remote_thread_usage_before(nint remote, uint slot, om_usage* usage);
    [LibraryImport(Library)]
    internal static partial void om_remote_affinity(nint remote, uint slot, void* mask, uint bytes);
    [LibraryImport(Library)]
    internal static partial void om_remote_close(nint remote);
    [LibraryImport(Library)]
    internal static partial int om_remote_conduct(nint remote, ulong notification);
    [LibraryImport(Library)]
    internal static partial void om_remote_postpone(nint remote, ulong notification);
    [LibraryImport(Library)]
    internal static partial int om_remote_answer(nint remote, ulong notification, long value, uint flags);
    [LibraryImport(Library)]
    internal static partial int om_remote_call(nint remote, uint slot, int number, ulong* args, [MarshalAs(UnmanagedType.U1)] bool local, long* result);
    [LibraryImport(Library)]
    internal static partial int om_remote_ask(nint remote, uint kind, void* request, uint bytes, void* reply, uint capacity);
    [LibraryImport(Library)]
    internal static partial int om_remote_counters(nint remote, om_counters* counters);
    [LibraryImport(Library)]
    internal static partial int om_remote_epoch(nint remote, uint epoch);
    [LibraryImport(Library)]
    internal static partial int om_remote_call_counts(nint remote, ulong* calls, ulong* refused, uint capacity);
}
