// exit(2) of one thread among others: its deputy ends, then the body's, which wakes who waits for it and gives up its robust locks.
using OpenMosix.Warden.Forward;
using OpenMosix.Warden.Held;

namespace OpenMosix.Warden.Structure;

internal static class ThreadEnd
{
    internal static void Conduct(GuestProcess guest, StructuralCall call)
    {
        if (call.Slot == 0)
        {
            // A process whose leader has exited cannot be looked at from outside: it stays at home from then on.
            guest.GoHome(call, "exit of the first thread while others go on");
            return;
        }
        guest.Remote.Ask(HomeRequest.ThreadExit, HomeRequest.Number(call.Slot, (int)call.Args[0]), out _);
        guest.Ends(call.Slot);
        guest.Remote.Answer(call.Notification, 0, RemoteSide.Continue);
        guest.Remote.ThreadGone(call.Slot);
    }
}
