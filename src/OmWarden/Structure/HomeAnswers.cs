// Home's side of what a body asks beyond plain calls. On the engine's thread of that process; while it runs the body waits, so nothing else
// is asked of the deputy. Requests come from another node: sizes and ranges are checked before use.
using System.Buffers.Binary;
using OpenMosix.Checkpoint.Pages;
using OpenMosix.Checkpoint.Tracing;
using OpenMosix.Warden.Forward;
using OpenMosix.Warden.Held;
using OpenMosix.Warden.Interop;

namespace OpenMosix.Warden.Structure;

internal static class HomeAnswers
{
    private const long SYS_rt_sigaction = 13, SYS_getpid = 39, SYS_kill = 62, SYS_exit_group = 231, SYS_prlimit64 = 302;
    private const ulong RLIMIT_CORE = 4;
    private const int SIGKILL = 9, EINVAL = 22;
    private const ulong ThreadNeeds = 0x10000 | 0x100 | 0x800; // CLONE_THREAD, CLONE_VM, CLONE_SIGHAND
    private const ulong ThreadMay = 0x200 | 0x400 | 0x40000 | 0x80000000; // CLONE_FS, CLONE_FILES, CLONE_SYSVSEM, CLONE_IO

    /// <summary>int64: 0 or -errno.</summary>
    internal static byte[] Answer(HomeProcess process, HomeSide side, uint kind, ReadOnlySpan<byte> request)
    {
        if (request.Length < HomeRequest.SlotBytes)
            return HomeRequest.Result(-EINVAL);
        uint slot = BinaryPrimitives.ReadUInt32LittleEndian(request);
        ReadOnlySpan<byte> what = request[HomeRequest.SlotBytes..];
        if (kind == HomeRequest.Clone && what.Length == 8)
            return Clone(side, slot, BinaryPrimitives.ReadUInt64LittleEndian(what));
        if (kind == HomeRequest.Fork && what.Length == 8)
            return ForkAtHome.Run(process, side, slot, BinaryPrimitives.ReadUInt64LittleEndian(what));
        if (kind == HomeRequest.MapMemory && what.Length == 4 * sizeof(ulong))
            return MapMemory.AtHome(process, side, slot, what);
        long result = kind switch
        {
            HomeRequest.Exit when what.Length == 4 => Exit(process, side, slot, BinaryPrimitives.ReadInt32LittleEndian(what)),
            HomeRequest.Signalled when what.Length == 4 => Die(process, side, slot, BinaryPrimitives.ReadInt32LittleEndian(what)),
            HomeRequest.Disposition when what.Length == 16 => Disposition(process, side, slot, BinaryPrimitives.ReadInt32LittleEndian(what),
                BinaryPrimitives.ReadInt32LittleEndian(what[4..]), BinaryPrimitives.ReadUInt64LittleEndian(what[8..])),
            HomeRequest.Execute => ExecuteAtHome.Run(process, side, slot, what),
            HomeRequest.ThreadExit when what.Length == 4 => side.Exit(slot, BinaryPrimitives.ReadInt32LittleEndian(what)),
            HomeRequest.ForkUndone => ForkAtHome.Undo(process, side, slot),
            HomeRequest.WriteBack when what.Length >= 4 * sizeof(ulong) => WriteBack(process, what),
            HomeRequest.GiveUpFile when what.Length == 2 * sizeof(ulong) => GiveUpFile(process, what),
            _ => -EINVAL,
        };
        return HomeRequest.Result(result);
    }

    private static byte[] Clone(HomeSide side, uint by, ulong flags)
    {
        byte[] reply = new byte[16];
        // What it shares with the others is the caller's to say; what is set in its memory is set where the body is.
        (uint slot, int tid) = (0, 0);
        int result = (flags & ThreadNeeds) == ThreadNeeds ? side.Clone(by, flags & (ThreadNeeds | ThreadMay), out slot, out tid) : -EINVAL;
        BinaryPrimitives.WriteInt64LittleEndian(reply, result);
        BinaryPrimitives.WriteUInt32LittleEndian(reply.AsSpan(8), slot);
        BinaryPrimitives.WriteInt32LittleEndian(reply.AsSpan(12), tid);
        return reply;
    }

    private static long Exit(HomeProcess process, HomeSide side, uint slot, int status)
    {
        process.ExpectedStatus = (status & 0xff) << 8;
        side.Call(slot, SYS_exit_group, [(ulong)status]);
        return 0;
    }

    /// <summary>The deputy dies of the signal its body died of, without a core: there would be nothing of the body in it.</summary>
    private static long Die(HomeProcess process, HomeSide side, uint slot, int signal)
    {
        if (signal is < 1 or > 64)
            return -EINVAL;
        process.ExpectedStatus = signal;
        if (signal != SIGKILL)
        {
            side.Call(slot, SYS_prlimit64, [0, RLIMIT_CORE, side.DataAddress(slot), 0], new byte[16]);
            side.Call(slot, SYS_rt_sigaction, [(ulong)signal, side.DataAddress(slot), 0, 8], new byte[32]);
            long self = side.Call(slot, SYS_getpid, []);
            if (self > 0)
                side.Call(slot, SYS_kill, [(ulong)self, (ulong)signal]);
        }
        // Still there only if it is SIGKILL, or the init of a pid namespace, which its own signals do not kill.
        Processes.SendSignal(process.Pidfd, SIGKILL);
        return 0;
    }

    private static long WriteBack(HomeProcess process, ReadOnlySpan<byte> what)
    {
        ulong device = BinaryPrimitives.ReadUInt64LittleEndian(what), inode = BinaryPrimitives.ReadUInt64LittleEndian(what[8..]);
        long offset = BinaryPrimitives.ReadInt64LittleEndian(what[16..]), bytes = BinaryPrimitives.ReadInt64LittleEndian(what[24..]);
        ReadOnlySpan<byte> data = what[32..];
        if (offset < 0 || bytes <= 0 || offset > long.MaxValue - bytes || data.Length != 0 && data.Length != bytes)
            return -EINVAL;
        return -(data.IsEmpty ? process.ClearBack(device, inode, offset, bytes) : process.WriteBack(device, inode, offset, data));
    }

    private static long GiveUpFile(HomeProcess process, ReadOnlySpan<byte> what)
    {
        process.GiveUpFile(BinaryPrimitives.ReadUInt64LittleEndian(what), BinaryPrimitives.ReadUInt64LittleEndian(what[8..]));
        return 0;
    }

    private static long Disposition(HomeProcess process, HomeSide side, uint slot, int signal, int disposition, ulong flags)
    {
        if (signal is < 1 or > 64)
            return -EINVAL;
        byte[] action = new byte[32];
        if (disposition == SignalAction.Ignore)
            action[0] = 1;
        else if (disposition == SignalAction.Handler || !StopsByDefault(signal))
            AgentHandler(process, flags, action);
        return side.Call(slot, SYS_rt_sigaction, [(ulong)signal, side.DataAddress(slot), 0, 8], action);
    }

    // Left to the kernel: in an orphaned process group it ignores them (KERNEL.md 9).
    private static bool StopsByDefault(int signal) => signal is 20 or 21 or 22;

    private static void AgentHandler(HomeProcess process, ulong flags, Span<byte> action)
    {
        const ulong SA_SIGINFO = 4, SA_RESTORER = 0x04000000;
        const ulong allowed = 3; // SA_NOCLDSTOP | SA_NOCLDWAIT
        // struct om_agent_header, read where the agent lies.
        Span<byte> header = stackalloc byte[48];
        if (PageReader.Read(process.Pid, new RemoteAddress(process.AgentArea), header) != 0)
            return;
        BinaryPrimitives.WriteUInt64LittleEndian(action, process.AgentArea + BinaryPrimitives.ReadUInt32LittleEndian(header[24..]));
        BinaryPrimitives.WriteUInt64LittleEndian(action[8..], SA_SIGINFO | SA_RESTORER | flags & allowed);
        BinaryPrimitives.WriteUInt64LittleEndian(action[16..], process.AgentArea + BinaryPrimitives.ReadUInt32LittleEndian(header[28..]));
        // While it runs nothing else may: it writes the slot's ring.
        BinaryPrimitives.WriteUInt64LittleEndian(action[24..], ulong.MaxValue);
    }
}
