// mmap of shared anonymous memory: made in the skeleton, too, so that it is there when the body comes home, and children at home have it. In the body a memfd
// stands for it, as for all shared memory that came along.
using System.Buffers.Binary;
using OpenMosix.Checkpoint.Pages;
using OpenMosix.Protocol.V1;
using OpenMosix.Warden.Forward;
using OpenMosix.Warden.Held;

namespace OpenMosix.Warden.Structure;

internal static class MapMemory
{
    private const int SYS_mmap = 9;
    private const ulong MAP_LOCKED = 0x2000, MAP_POPULATE = 0x8000;
    private const ulong PageBytes = 4096, UserEnd = 1UL << 47;
    private const int EIO = 5, ENOMEM = 12, EINVAL = 22;

    internal static void Conduct(GuestProcess guest, StructuralCall call)
    {
        ulong length = (call.Args[1] + PageBytes - 1) & ~(PageBytes - 1), protection = call.Args[2], flags = call.Args[3];
        if (length == 0)
        {
            guest.Remote.Answer(call.Notification, call.Args[1] == 0 ? -EINVAL : -ENOMEM);
            return;
        }
        NewMapping.Conduct(guest, call, body => NewMapping.Make(body, call.Args[0], length, flags, address =>
        {
            byte[]? reply = guest.Remote.Ask(HomeRequest.MapMemory, HomeRequest.Words(call.Slot, address, length, protection, flags), out int errno);
            if (reply is not { Length: HomeRequest.MapMemoryReplyBytes })
                return -(errno == 0 ? EIO : errno);
            long home = BinaryPrimitives.ReadInt64LittleEndian(reply);
            return home < 0 ? home : NewMapping.Show(body, new()
            {
                Path = "/dev/zero (deleted)",
                Device = BinaryPrimitives.ReadUInt64LittleEndian(reply.AsSpan(8)),
                Inode = BinaryPrimitives.ReadUInt64LittleEndian(reply.AsSpan(16)),
                SizeBytes = length,
                Memory = true,
            }, address, length, protection, flags, 0, _ => 0);
        }));
    }

    /// <summary>Home's side. The deputy's kernel says what is wrong with the rest.</summary>
    internal static byte[] AtHome(HomeProcess process, HomeSide side, uint slot, ReadOnlySpan<byte> what)
    {
        ulong address = BinaryPrimitives.ReadUInt64LittleEndian(what), length = BinaryPrimitives.ReadUInt64LittleEndian(what[8..]);
        ulong protection = BinaryPrimitives.ReadUInt64LittleEndian(what[16..]), flags = BinaryPrimitives.ReadUInt64LittleEndian(what[24..]);
        byte[] reply = new byte[HomeRequest.MapMemoryReplyBytes];
        long result = -EINVAL;
        MappedFile? made = null;
        if (address % PageBytes == 0 && length is > 0 and < UserEnd && address < UserEnd - length
            && (address + length <= process.Area.Base.Value || process.Area.End.Value <= address))
        {
            ulong kept = flags & ~(MAP_LOCKED | MAP_POPULATE | NewMapping.MAP_FIXED_NOREPLACE) | NewMapping.MAP_FIXED;
            result = side.Call(slot, SYS_mmap, [address, length, protection, kept, ulong.MaxValue, 0]);
            made = result < 0 ? null : MemoryFiles.At(process.Pid, address);
            if (result >= 0 && made is null)
                result = -EIO;
        }
        BinaryPrimitives.WriteInt64LittleEndian(reply, result);
        BinaryPrimitives.WriteUInt64LittleEndian(reply.AsSpan(8), made?.Device ?? 0);
        BinaryPrimitives.WriteUInt64LittleEndian(reply.AsSpan(16), made?.Inode ?? 0);
        return reply;
    }
}
