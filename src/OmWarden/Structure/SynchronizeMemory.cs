// msync(2), MS_SYNC: what the body has written to a file that is home's goes there, and the deputy's call says when it is on the disk.
using OpenMosix.Checkpoint.Pages;
using OpenMosix.Warden.Forward;
using OpenMosix.Warden.Held;

namespace OpenMosix.Warden.Structure;

internal static class SynchronizeMemory
{
    private const int SYS_msync = 26;
    private const int EIO = 5;

    internal static void Conduct(GuestProcess guest, StructuralCall call)
    {
        ulong start = call.Args[0], end = start + call.Args[1];
        var shown = MemoryFiles.Shown(guest.BodyPid, start, end);
        // What is wrong with the arguments the kernel here knows as well.
        if (shown.Count == 0)
        {
            guest.Remote.Answer(call.Notification, 0, RemoteSide.Continue);
            return;
        }
        bool written = shown.All(part => guest.WriteBack(call.Slot, part.File, part.Offset, part.Offset + part.Bytes));
        guest.Remote.Answer(call.Notification, written ? guest.Remote.Call(call.Slot, SYS_msync, call.Args) : -EIO);
    }
}
