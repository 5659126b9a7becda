// The deputy's fork. Its child becomes a deputy too, in an arena of its own, under a key of its own, whose body the parent's host is expected to
// present. The kernel copies files, ids, limits and what else a child inherits.
using System.Buffers.Binary;
using System.Security.Cryptography;
using Microsoft.Win32.SafeHandles;
using OpenMosix.Checkpoint.Restore;
using OpenMosix.Warden.Forward;
using OpenMosix.Warden.Held;
using OpenMosix.Warden.Interop;

namespace OpenMosix.Warden.Structure;

internal static class ForkAtHome
{
    private const long SYS_mmap = 9, SYS_munmap = 11, SYS_wait4 = 61, OM_DEPUTY_FORK = -4;
    private const ulong PROT_READ_WRITE = 3, MAP_SHARED = 1, MAP_ANONYMOUS = 0x20, MAP_NORESERVE = 0x4000, WALL = 0x40000000;
    private const int EAGAIN = 11, EXDEV = 18, EINVAL = 22;

    /// <summary>The flags with which a deputy may be asked to fork: what the new process shares with it, and the signal of its end.</summary>
    private const ulong May = 0xff | ProcessClone.CLONE_FS | ProcessClone.CLONE_FILES | ProcessClone.CLONE_PIDFD | ProcessClone.CLONE_PARENT
        | ProcessClone.CLONE_SYSVSEM | ProcessClone.CLONE_IO;

    /// <summary>Asked again by the same thread, while the child's body has not been seen, it gives the same child. -EXDEV: its pids are not this node's.</summary>
    internal static byte[] Run(HomeProcess process, HomeSide side, uint slot, ulong flags)
    {
        if ((flags & ~May) != 0)
            return Reply(-EINVAL, 0, -1);
        if (Processes.InnermostTid(process.Pid) != process.Pid)
            return Reply(-EXDEV, 0, -1);
        lock (process.Forking)
            return Locked(process, side, slot, flags);
    }

    private static byte[] Locked(HomeProcess process, HomeSide side, uint slot, ulong flags)
    {
        if (process.Unclaimed.TryGetValue(slot, out (HomeProcess Child, int PidDescriptor) asked) && asked.Child.IsUnclaimed)
            return Reply(asked.Child.Pid, asked.Child.Key, asked.PidDescriptor);
        process.Unclaimed.Remove(slot);
        long result = Fork(process, side, slot, flags, out HomeProcess? child, out int pidDescriptor);
        if (child is not null)
            process.Unclaimed[slot] = (child, pidDescriptor);
        return Reply(result, child?.Key ?? 0, pidDescriptor);
    }

    /// <summary>The child has no body: it ends, and nobody hears of it but by a SIGCHLD.</summary>
    internal static long Undo(HomeProcess process, HomeSide side, uint slot)
    {
        (HomeProcess Child, int) made;
        lock (process.Forking)
            if (!process.Unclaimed.Remove(slot, out made))
                return 0;
        made.Child.Kill();
        side.Call(slot, SYS_wait4, [(ulong)made.Child.Pid, 0, WALL, 0]);
        return 0;
    }

    private static long Fork(HomeProcess process, HomeSide side, uint slot, ulong flags, out HomeProcess? child, out int pidDescriptor)
    {
        (child, pidDescriptor) = (null, -1);
        ulong bytes = process.Area.ArenaBytes;
        long arenaAt = side.Call(slot, SYS_mmap, [0, bytes, PROT_READ_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, ulong.MaxValue, 0]);
        if (arenaAt < 0)
            return arenaAt;
        SafeFileHandle arena;
        try
        {
            arena = DeputyArena.ForChild(process.Pid, (ulong)arenaAt, process.Area);
        }
        catch (IOException)
        {
            side.Call(slot, SYS_munmap, [(ulong)arenaAt, bytes]);
            return -EAGAIN;
        }
        byte[] data = new byte[4];
        long pid = side.Call(slot, OM_DEPUTY_FORK, [flags, (ulong)arenaAt, side.DataAddress(slot)], data);
        if (pid <= 0)
        {
            // Who ends while it forks may have made a child and not said so.
            HomeSide.Abandon(arena);
            return pid;
        }
        if ((flags & ProcessClone.CLONE_PIDFD) != 0)
            pidDescriptor = BinaryPrimitives.ReadInt32LittleEndian(data);
        child = process.Forked((int)pid, NewKey(), arena);
        if (child is not null)
            return pid;
        side.Call(slot, SYS_wait4, [(ulong)pid, 0, WALL, 0]);
        return -EAGAIN;
    }

    private static ulong NewKey()
    {
        Span<byte> key = stackalloc byte[sizeof(ulong)];
        do
            RandomNumberGenerator.Fill(key);
        while (BitConverter.ToUInt64(key) == 0);
        return BitConverter.ToUInt64(key);
    }

    private static byte[] Reply(long result, ulong key, int pidDescriptor)
    {
        byte[] reply = new byte[HomeRequest.ForkReplyBytes];
        BinaryPrimitives.WriteInt64LittleEndian(reply, result);
        BinaryPrimitives.WriteUInt64LittleEndian(reply.AsSpan(8), key);
        BinaryPrimitives.WriteInt32LittleEndian(reply.AsSpan(16), pidDescriptor);
        return reply;
    }
}
