// mmap of a file: the deputy maps it in the skeleton, which decides all errors; the body gets a memfd with the same content at the same
// address (decision 0004). The content comes through the deputy's pread64 into a shared staging mapping, so that the cell is charged.
using System.Buffers.Binary;
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

internal static class MapFile
{
    private const int SYS_fstat = 5, SYS_mmap = 9, SYS_munmap = 11, SYS_pread64 = 17, SYS_readlink = 89;
    private const ulong PROT_WRITE = 2, PROT_READ = 1;
    private const ulong MAP_SHARED = 1, MAP_PRIVATE = 2, MAP_TYPE = 0xf;
    private const int EBADF = 9, ENOMEM = 12, EINVAL = 22, S_IFMT = 0xf000, S_IFREG = 0x8000;
    private const ulong PageBytes = 4096;
    private const int PieceBytes = 256 << 10;
    private const int PathBytes = 4096;
    private const long NsPerSecond = 1_000_000_000;

    internal static void Conduct(GuestProcess guest, StructuralCall call)
    {
        uint slot = call.Slot;
        ulong wanted = call.Args[0], length = (call.Args[1] + PageBytes - 1) & ~(PageBytes - 1), protection = call.Args[2], flags = call.Args[3];
        ulong fd = call.Args[4], offset = call.Args[5];
        Span<byte> stat = stackalloc byte[144];
        long known = guest.Remote.CallWith(slot, SYS_fstat, [fd, 0], 1, stat);
        bool regular = known == 0 && (BinaryPrimitives.ReadUInt32LittleEndian(stat[24..]) & S_IFMT) == S_IFREG;
        bool shared = (flags & MAP_TYPE) != MAP_PRIVATE;
        if (known == -EBADF)
        {
            guest.Remote.Answer(call.Notification, offset % PageBytes != 0 ? -EINVAL : -EBADF);
            return;
        }
        (ulong, ulong) identity = (BinaryPrimitives.ReadUInt64LittleEndian(stat), BinaryPrimitives.ReadUInt64LittleEndian(stat[8..]));
        if (regular && guest.Cell.Written.Find(identity.Item1, identity.Item2) is { } written)
        {
            MapWritten(guest, call, shared, written);
            return;
        }
        // What a device, or writing to a shared file, means cannot be copied: the body goes to where the file is. An unaligned
        // offset goes on to the deputy's mmap, which says what is wrong with it.
        if (known == 0 && (!regular || shared && (protection & PROT_WRITE) != 0))
        {
            guest.GoHome(call, regular ? "mmap of a shared writable file" : "mmap of a device");
            return;
        }
        MappedFile file = Identify(guest, slot, fd, stat);
        // A copy of memory that others write would not show what they do.
        if (shared && MemoryFiles.IsNamed(file.Path))
        {
            guest.GoHome(call, "mmap of shared memory");
            return;
        }
        NewMapping.Conduct(guest, call, body => Map(guest, slot, body, wanted, length, call.Args[1], protection, flags, fd, offset, file));
    }

    // It came along: the same memory again.
    private static void MapWritten(GuestProcess guest, StructuralCall call, bool shared, MappedFile file)
    {
        using SafeFileHandle? memory = shared ? guest.Cell.Written.Open(file.Device, file.Inode) : null;
        if (memory is null)
        {
            guest.GoHome(call, "mmap of a copy of a file that is mapped shared");
            return;
        }
        ulong length = (call.Args[1] + PageBytes - 1) & ~(PageBytes - 1), protection = call.Args[2], flags = call.Args[3], fd = call.Args[4], offset = call.Args[5];
        NewMapping.Conduct(guest, call, body => NewMapping.Make(body, call.Args[0], length, flags, address =>
        {
            long home = AtHome(guest, call.Slot, address, call.Args[1], protection, flags, fd, offset);
            return home < 0 ? home : NewMapping.ShowPresent(body, memory, address, length, protection, flags, offset);
        }));
    }

    private static long AtHome(GuestProcess guest, uint slot, ulong address, ulong length, ulong protection, ulong flags, ulong fd, ulong offset) => guest.Remote.Call(
        slot, SYS_mmap, [address, length, protection, flags & ~NewMapping.MAP_FIXED_NOREPLACE | NewMapping.MAP_FIXED, fd, offset]);

    // As a later Snapshot here has to speak of it, so that home and the next host know which file it is (decision 0004).
    private static MappedFile Identify(GuestProcess guest, uint slot, ulong fd, ReadOnlySpan<byte> stat)
    {
        Span<byte> path = stackalloc byte[PathBytes];
        long length = guest.Remote.CallWith(slot, SYS_readlink, [0, 0, PathBytes], 0, Encoding.ASCII.GetBytes($"/proc/self/fd/{(int)fd}\0"), 1, path);
        return new()
        {
            Device = BinaryPrimitives.ReadUInt64LittleEndian(stat),
            Inode = BinaryPrimitives.ReadUInt64LittleEndian(stat[8..]),
            SizeBytes = BinaryPrimitives.ReadUInt64LittleEndian(stat[48..]),
            ModifiedNs = BinaryPrimitives.ReadInt64LittleEndian(stat[88..]) * NsPerSecond + BinaryPrimitives.ReadInt64LittleEndian(stat[96..]),
            Path = length > 0 ? Encoding.UTF8.GetString(path[..(int)length]) : "",
        };
    }

    private static long Map(GuestProcess guest, uint slot, FrozenProcess body, ulong wanted, ulong length, ulong exactLength, ulong protection, ulong flags, ulong fd,
        ulong offset, MappedFile file) => NewMapping.Make(body, wanted, length, flags, address =>
    {
        long home = AtHome(guest, slot, address, exactLength, protection, flags, fd, offset);
        ulong shown = file.SizeBytes > offset ? Math.Min(length, file.SizeBytes - offset) : 0;
        return home < 0 ? home : NewMapping.Show(
            body, file, address, length, protection, flags, offset, memfd => shown > 0 ? Copy(guest, slot, body, memfd, shown, fd, offset) : 0);
    });

    private static long Copy(GuestProcess guest, uint slot, FrozenProcess body, ulong memfd, ulong shown, ulong fd, ulong offset)
    {
        long staging = NewMapping.One(body, SYS_mmap, 0, shown, PROT_READ | PROT_WRITE, MAP_SHARED, memfd, offset);
        if (staging < 0)
            return staging;
        try
        {
            byte[] piece = new byte[PieceBytes];
            for (ulong done = 0; done < shown;)
            {
                int want = (int)Math.Min(PieceBytes, shown - done);
                long got = guest.Remote.CallWith(slot, SYS_pread64, [fd, 0, (ulong)want, offset + done], 1, piece);
                if (got < 0)
                    return got;
                if (got == 0)
                    break; // it shrank meanwhile: zeros, as the page cache would show
                if (PageWriter.Write(body.Pid, new RemoteAddress((ulong)staging + done), piece.AsSpan(0, (int)got)) != 0)
                    return -ENOMEM;
                done += (ulong)got;
            }
            return 0;
        }
        finally
        {
            NewMapping.One(body, SYS_munmap, (ulong)staging, shown);
        }
    }
}
