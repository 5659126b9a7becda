// rt_sigaction: set here by the kernel itself; home's warden is told when the class of the disposition changes, so that the deputy
// takes the signal, ignores it, or is stopped by it as the body would be (KERNEL.md 9).
using System.Buffers.Binary;
using OpenMosix.Checkpoint.Pages;
using OpenMosix.Checkpoint.Tracing;
using OpenMosix.Warden.Forward;
using OpenMosix.Warden.Held;

namespace OpenMosix.Warden.Structure;

internal static class SignalAction
{
    internal const int Default = 0;
    internal const int Ignore = 1;
    internal const int Handler = 2;

    // struct sigaction of the kernel: handler, flags, restorer, mask.
    private const int KernelBytes = 32;
    private const ulong SA_NOCLDSTOP = 1, SA_NOCLDWAIT = 2;

    internal static void Conduct(GuestProcess guest, StructuralCall call)
    {
        int signal = (int)call.Args[0];
        ulong address = call.Args[1];
        Span<byte> action = stackalloc byte[KernelBytes];
        // A bad pointer, size or number is the local kernel's to refuse.
        if (address != 0 && PageReader.Read(call.Tid, new RemoteAddress(address), action) == 0)
        {
            ulong handler = BinaryPrimitives.ReadUInt64LittleEndian(action);
            ulong flags = BinaryPrimitives.ReadUInt64LittleEndian(action[8..]);
            int disposition = handler <= 1 ? (int)handler : Handler;
            if (guest.Dispositions.Change(signal, disposition, flags & (SA_NOCLDSTOP | SA_NOCLDWAIT)))
                guest.Remote.Ask(HomeRequest.Disposition, Request(call.Slot, signal, disposition, flags & (SA_NOCLDSTOP | SA_NOCLDWAIT)), out _);
        }
        guest.Remote.Answer(call.Notification, 0, RemoteSide.Continue);
    }

    private static byte[] Request(uint slot, int signal, int disposition, ulong flags)
    {
        byte[] request = new byte[16];
        BinaryPrimitives.WriteInt32LittleEndian(request, signal);
        BinaryPrimitives.WriteInt32LittleEndian(request.AsSpan(4), disposition);
        BinaryPrimitives.WriteUInt64LittleEndian(request.AsSpan(8), flags);
        return HomeRequest.Of(slot, request);
    }
}
