// fork, vfork and clone(2) of a process: the deputy forks, and the body's child gets the same pid, because the cell's init has set what comes next. It is
// the kernel's own copy, beside its parent in the cell, and from then on a process of its own: with a key, a link to its deputy, and moves.
using System.Buffers.Binary;
using OpenMosix.Checkpoint.Freeze;
using OpenMosix.Checkpoint.Pages;
using OpenMosix.Checkpoint.Tracing;
using OpenMosix.Protocol.Errors;
using OpenMosix.Protocol.V1;
using OpenMosix.Warden.Cell;
using OpenMosix.Warden.Forward;
using OpenMosix.Warden.Held;

namespace OpenMosix.Warden.Structure;

internal static class NewProcess
{
    private const int EIO = 5, EFAULT = 14, EXDEV = 18, EINVAL = 22;

    internal static void Conduct(GuestProcess guest, StructuralCall call)
    {
        ulong flags = ProcessClone.FlagsOf(call.Number, call.Args[0]);
        if (!ProcessClone.IsValid(flags))
        {
            guest.Remote.Answer(call.Notification, -EINVAL);
            return;
        }
        if (!ProcessClone.GoesAway(flags))
        {
            guest.GoHome(call, "a child with namespaces of its own, or in the same memory");
            return;
        }
        bool wantsDescriptor = (flags & ProcessClone.CLONE_PIDFD) != 0;
        if (wantsDescriptor && !new BodyMemory(call.Tid).TryRead(call.Args[2], stackalloc byte[4]))
        {
            guest.Remote.Answer(call.Notification, -EFAULT);
            return;
        }
        byte[]? reply = guest.Remote.Ask(HomeRequest.Fork, HomeRequest.Words(call.Slot, ProcessClone.AtHome(flags)), out int errno);
        long pid = reply is { Length: HomeRequest.ForkReplyBytes } ? BinaryPrimitives.ReadInt64LittleEndian(reply) : -(errno == 0 ? EIO : errno);
        if (pid == -EXDEV)
        {
            guest.GoHome(call, "a child in a pid namespace of its own");
            return;
        }
        if (pid <= 0)
        {
            guest.Remote.Answer(call.Notification, pid);
            return;
        }
        ulong key = BinaryPrimitives.ReadUInt64LittleEndian(reply.AsSpan(8));
        if (wantsDescriptor)
            PageWriter.Write(call.Tid, new RemoteAddress(call.Args[2]), reply.AsSpan(16, 4));
        Outcome<FrozenProcess> stopped = guest.StopIn(call);
        if (!stopped.Ok)
        {
            guest.LogNotMade(guest.Key, (int)pid, stopped.Failure.Message);
            guest.Remote.Ask(HomeRequest.ForkUndone, HomeRequest.Number(call.Slot, 0), out _);
            return;
        }
        using FrozenProcess maker = stopped.Value;
        if (Make(guest, maker, call, flags, (int)pid, key) is { } failure)
        {
            guest.LogNotMade(guest.Key, (int)pid, failure.Message);
            guest.Remote.Ask(HomeRequest.ForkUndone, HomeRequest.Number(call.Slot, 0), out _);
        }
        guest.GoOn(maker);
    }

    /// <summary>Null: it is there; otherwise the maker knows, or makes its call again.</summary>
    private static Failure? Make(GuestProcess guest, FrozenProcess maker, StructuralCall call, ulong flags, int pid, ulong key)
    {
        var clone = new ProcessCloneCall(call.Number, ProcessClone.AtBody(flags), (flags & ProcessClone.CLONE_VFORK) != 0);
        try
        {
            lock (guest.Cell.Births)
                return maker.CloneProcess(clone, guest.Cell.NextTid, pid, here => guest.Forked(key, pid, here, call.Slot, flags)).Failure;
        }
        catch (CellException ended)
        {
            return Failures.Broken(Stage.Forward, ended.Message, ended.Errno); // and all in it
        }
    }
}
