// A signal that a body sends to itself or to one of its threads. The thread sends it here, so that order, sender and taker are the kernel's own
// work; only a thread that waits for home's answer does not notice (its notification waits for nothing but the answer and its death), and
// is stopped as for a signal that came from home.
using OpenMosix.Checkpoint.Freeze;
using OpenMosix.Protocol.Errors;
using OpenMosix.Warden.Forward;
using OpenMosix.Warden.Held;

namespace OpenMosix.Warden.Structure;

internal static class OwnSignal
{
    internal static void Conduct(GuestProcess guest, StructuralCall call)
    {
        Outcome<FrozenProcess> stopped = guest.StopIn(call);
        if (!stopped.Ok)
            return; // it has ended; its cell reports that
        using FrozenProcess sender = stopped.Value;
        bool sent = sender.MakeCall() is { Ok: true, Value: 0 };
        guest.GoOn(sender);
        if (!sent)
            return;
        foreach (GuestThread thread in guest.Threads.All.Where(thread => guest.Remote.InCall(thread.Slot)).ToList())
            if (Takes(guest, thread))
                guest.Due(thread.Slot);
    }

    /// <summary>A signal waits that this thread has open and that something comes of.</summary>
    private static bool Takes(GuestProcess guest, GuestThread thread)
    {
        try
        {
            return new BodyMemory(thread.Here).WouldTake(guest.Remote.WaitsUnder(thread.Slot));
        }
        catch (Exception gone) when (gone is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }
}
