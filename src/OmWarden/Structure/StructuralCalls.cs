// Calls that change the process on both sides. One stop of the body each (KERNEL.md 22); on the queue of the process. Whatever cannot be
// done here goes home: the body is returned and issues the call again, natively.
using OpenMosix.Protocol.Syscalls;
using OpenMosix.Warden.Forward;
using OpenMosix.Warden.Held;

namespace OpenMosix.Warden.Structure;

internal static class StructuralCalls
{
    private const int mmap = 9, rt_sigaction = 13, msync = 26, clone = 56, fork = 57, vfork = 58, execve = 59, exit = 60, kill = 62,
        rt_sigqueueinfo = 129, exit_group = 231, tgkill = 234, rt_tgsigqueueinfo = 297, execveat = 322, clone3 = 435;
    private const ulong CLONE_THREAD = 0x10000;
    private const ulong MAP_SHARED_ANONYMOUS = 0x21;
    private const int ENOSYS = 38;

    internal static void Conduct(GuestProcess guest, StructuralCall call)
    {
        if (!guest.Remote.Conduct(call.Notification))
            return; // the body was stopped meanwhile, and issues it again
        if (call.GoesHome)
        {
            guest.GoHome(call, SyscallTable.NameOf(call.Number));
            return;
        }
        switch (call.Number)
        {
            case rt_sigaction:
                SignalAction.Conduct(guest, call);
                break;
            case mmap when (call.Args[3] & MAP_SHARED_ANONYMOUS) == MAP_SHARED_ANONYMOUS:
                MapMemory.Conduct(guest, call);
                break;
            case mmap:
                MapFile.Conduct(guest, call);
                break;
            case msync:
                SynchronizeMemory.Conduct(guest, call);
                break;
            case execve or execveat:
                Execute.Conduct(guest, call);
                break;
            case exit when guest.Threads.Count > 1:
                ThreadEnd.Conduct(guest, call);
                break;
            case exit or exit_group:
                guest.WriteBackLast(call.Slot);
                guest.Remote.Ask(HomeRequest.Exit, HomeRequest.Number(call.Slot, (int)call.Args[0]), out _);
                guest.EndFromHome("exit");
                break;
            case clone when (call.Args[0] & CLONE_THREAD) != 0:
                NewThread.Conduct(guest, call);
                break;
            case fork or vfork or clone:
                NewProcess.Conduct(guest, call);
                break;
            case kill or tgkill or rt_sigqueueinfo or rt_tgsigqueueinfo:
                OwnSignal.Conduct(guest, call);
                break;
            case clone3:
                // glibc then uses clone, whose arguments are registers and cannot be changed behind our back (KERNEL.md 17).
                guest.Remote.Answer(call.Notification, -ENOSYS);
                break;
            default:
                guest.GoHome(call, SyscallTable.NameOf(call.Number));
                break;
        }
    }
}
