// mmap of what the skeleton has, too: the body's kernel chooses the address, the deputy's decides all errors, and the body gets a memfd that stands for what
// home has mapped there (decision 0004).
using System.Text;
using Microsoft.Win32.SafeHandles;
using OpenMosix.Checkpoint.Freeze;
using OpenMosix.Checkpoint.Pages;
using OpenMosix.Checkpoint.Tracing;
using OpenMosix.Protocol.Errors;
using OpenMosix.Protocol.V1;
using OpenMosix.Warden.Forward;
using OpenMosix.Warden.Held;

namespace OpenMosix.Warden.Structure;

internal static class NewMapping
{
    internal const ulong MAP_FIXED = 0x10, MAP_FIXED_NOREPLACE = 0x100000;
    private const int SYS_close = 3, SYS_mmap = 9, SYS_munmap = 11, SYS_ftruncate = 77, SYS_memfd_create = 319;
    private const ulong MAP_PRIVATE = 2, MAP_ANONYMOUS = 0x20, MAP_NORESERVE = 0x4000;
    private const ulong NoFd = ulong.MaxValue;
    private const int ENOMEM = 12;

    /// <summary>Stops the thread in its call, whose result is that of make.</summary>
    internal static void Conduct(GuestProcess guest, StructuralCall call, Func<FrozenProcess, long> make)
    {
        Outcome<FrozenProcess> stopped = guest.StopIn(call);
        if (!stopped.Ok)
            return; // it has ended; its cell reports that
        using FrozenProcess body = stopped.Value;
        long result = make(body);
        if (body.ReadRegisters() is { Ok: true } read)
        {
            Registers registers = read.Value;
            registers.Rip = call.InstructionPointer;
            registers.Rax = (ulong)result;
            registers.OrigRax = ulong.MaxValue; // nothing to restart
            body.WriteRegisters(registers);
        }
        guest.GoOn(body);
    }

    /// <summary>At the address that the body's kernel finds, by the same rules and among what is free there. Undone where show fails.</summary>
    internal static long Make(FrozenProcess body, ulong wanted, ulong length, ulong flags, Func<ulong, long> show)
    {
        bool replaces = (flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)) == MAP_FIXED;
        long address = replaces
            ? (long)wanted
            : One(body, SYS_mmap, wanted, length, 0, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | flags & MAP_FIXED_NOREPLACE, NoFd, 0);
        if (address < 0)
            return address;
        long result = show((ulong)address);
        if (result < 0 && !replaces)
            One(body, SYS_munmap, (ulong)address, length);
        return result;
    }

    /// <summary>Maps a memfd that stands for a file of home; fill is given its number in the body, and answers 0 or -errno.</summary>
    internal static long Show(
        FrozenProcess body, MappedFile file, ulong address, ulong length, ulong protection, ulong flags, ulong offset, Func<ulong, long> fill)
    {
        if (body.NewBatch() is not { Ok: true } room)
            return -ENOMEM;
        Batch batch = room.Value;
        ulong name = batch.Data(Encoding.UTF8.GetBytes(RemoteFileName.Encode(file) + '\0'));
        int made = batch.Add(SYS_memfd_create, name, 1);
        if (body.Execute(batch) is not { Ok: true } created || created.Value[made] < 0)
            return -ENOMEM;
        ulong memfd = (ulong)created.Value[made];
        try
        {
            if (One(body, SYS_ftruncate, memfd, file.SizeBytes) < 0)
                return -ENOMEM;
            return fill(memfd) is < 0 and var failed
                ? failed
                : One(body, SYS_mmap, address, length, protection, flags & ~(MAP_FIXED_NOREPLACE | MAP_ANONYMOUS) | MAP_FIXED, memfd, offset);
        }
        finally
        {
            One(body, SYS_close, memfd);
        }
    }

    /// <summary>Maps what is here already; it stays the caller's.</summary>
    internal static long ShowPresent(FrozenProcess body, SafeFileHandle memory, ulong address, ulong length, ulong protection, ulong flags, ulong offset)
    {
        if (body.GiveDescriptor(memory) is not { Ok: true } given)
            return -ENOMEM;
        try
        {
            return One(body, SYS_mmap, address, length, protection, flags & ~MAP_FIXED_NOREPLACE | MAP_FIXED, given.Value, offset);
        }
        finally
        {
            One(body, SYS_close, given.Value);
        }
    }

    internal static long One(FrozenProcess body, long number, params ReadOnlySpan<ulong> args)
    {
        if (body.NewBatch() is not { Ok: true } room)
            return -ENOMEM;
        Batch batch = room.Value;
        int index = batch.Add(number, args);
        return body.Execute(batch) is { Ok: true } done ? done.Value[index] : -ENOMEM;
    }
}
