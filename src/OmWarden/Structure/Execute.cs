// execve, execveat: the deputy executes, and the new program goes on natively at home. The remote only hears of it when it fails.
using System.Buffers.Binary;
using OpenMosix.Warden.Forward;
using OpenMosix.Warden.Held;

namespace OpenMosix.Warden.Structure;

internal static class Execute
{
    private const int SYS_execveat = 322;
    private const int AT_FDCWD = -100;
    private const int PATH_MAX = 4096;
    private const int ENAMETOOLONG = 36, EIO = 5;

    internal static void Conduct(GuestProcess guest, StructuralCall call)
    {
        bool at = call.Number == SYS_execveat;
        int shift = at ? 1 : 0;
        int error = Gather(guest, call, at, shift, out ExecuteRequest? request);
        if (error == 0)
        {
            guest.WriteBackLeaving(call.Slot);
            byte[]? reply = guest.Remote.Ask(HomeRequest.Execute, HomeRequest.Of(call.Slot, request!.Write()), out int errno);
            long result = reply is { Length: 8 } ? BinaryPrimitives.ReadInt64LittleEndian(reply) : -(errno == 0 ? EIO : errno);
            if (result == HomeRequest.ComesHome)
            {
                guest.StaysHere();
                guest.GoHome(call, "execve with a descriptor of a file that is mapped");
                return;
            }
            if (result == 0)
            {
                guest.EndFromHome("execve");
                return;
            }
            error = (int)-result;
        }
        guest.StaysHere();
        guest.Remote.Answer(call.Notification, -error);
    }

    private static int Gather(GuestProcess guest, StructuralCall call, bool at, int shift, out ExecuteRequest? request)
    {
        request = null;
        var memory = new BodyMemory(call.Tid);
        int error = memory.ReadText(call.Args[shift], PATH_MAX, out byte[] path);
        if (error != 0)
            return error == BodyMemory.E2BIG ? ENAMETOOLONG : error;
        int budget = ExecuteRequest.MaximumBytes;
        if ((error = memory.ReadTexts(call.Args[shift + 1], ref budget, out List<byte[]> arguments)) != 0
            || (error = memory.ReadTexts(call.Args[shift + 2], ref budget, out List<byte[]> environment)) != 0)
            return error;
        (ulong mask, ulong pending) = memory.Signals();
        request = new(at ? (int)call.Args[0] : AT_FDCWD, at ? (int)call.Args[4] : 0, mask, pending, path, arguments, environment);
        return 0;
    }
}
