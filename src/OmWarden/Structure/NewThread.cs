// clone(2) of a thread: the deputy makes one of its own, in a slot of its own; the body's gets the same tid, because the cell's init has set
// what comes next, and is the kernel's own work: it executes the call it made (KERNEL.md 16, 17, 22).
using System.Buffers.Binary;
using OpenMosix.Checkpoint.Freeze;
using OpenMosix.Protocol.Errors;
using OpenMosix.Warden.Cell;
using OpenMosix.Warden.Forward;
using OpenMosix.Warden.Held;

namespace OpenMosix.Warden.Structure;

internal static class NewThread
{
    private const int EIO = 5;

    internal static void Conduct(GuestProcess guest, StructuralCall call)
    {
        if (guest.Threads.Count >= guest.Image.AgentSlots)
        {
            guest.GoHome(call, "no room for another thread"); // it leaves with more
            return;
        }
        byte[]? reply = guest.Remote.Ask(HomeRequest.Clone, HomeRequest.Words(call.Slot, call.Args[0]), out int errno);
        long made = reply is { Length: 16 } ? BinaryPrimitives.ReadInt64LittleEndian(reply) : -(errno == 0 ? EIO : errno);
        if (made < 0)
        {
            guest.LogNotMade(guest.Key, 0, $"at home: errno {-made}");
            guest.Remote.Answer(call.Notification, made);
            return;
        }
        uint slot = BinaryPrimitives.ReadUInt32LittleEndian(reply.AsSpan(8));
        int tid = BinaryPrimitives.ReadInt32LittleEndian(reply.AsSpan(12));
        Outcome<FrozenProcess> stopped = guest.StopIn(call);
        if (!stopped.Ok)
        {
            guest.LogNotMade(guest.Key, tid, stopped.Failure.Message);
            Unmake(guest, slot); // it has ended, and its cell reports that; or it makes its call again
            return;
        }
        using FrozenProcess maker = stopped.Value;
        if (Make(guest, maker, tid) is { } here)
            guest.Began(slot, tid, here);
        else
            Unmake(guest, slot);
        guest.GoOn(maker);
    }

    /// <summary>Home has one that nobody speaks for.</summary>
    private static void Unmake(GuestProcess guest, uint slot) =>
        guest.Remote.Ask(HomeRequest.ThreadExit, HomeRequest.Number(slot, 0), out _);

    /// <summary>Its tid here. Null: there is none, and the maker knows or makes its call again.</summary>
    private static int? Make(GuestProcess guest, FrozenProcess maker, int tid)
    {
        try
        {
            lock (guest.Cell.Births)
            {
                Outcome<int> made = maker.CloneThread(guest.Cell.NextTid, tid);
                if (!made.Ok)
                    guest.LogNotMade(guest.Key, tid, made.Failure.Message);
                return made.Ok ? made.Value : null;
            }
        }
        catch (CellException)
        {
            return null; // the cell ends, and all in it
        }
    }
}
