using OpenMosix.Checkpoint.Interop;
using OpenMosix.Checkpoint.Tracing;
using OpenMosix.Protocol.V1;

namespace OpenMosix.Checkpoint.Restore;

/// <summary>Makes the threads of a body beside the blank child, which is its leader: they stand before their first instruction, seized as it is.</summary>
internal static class BodyThreads
{
    // CLONE_VM, FS, FILES, SIGHAND, THREAD, SYSVSEM: what every thread is made with (clone(2)).
    private const ulong Flags = 0x100 | 0x200 | 0x400 | 0x800 | 0x10000 | 0x40000;

    /// <param name="nextTid">Makes a number the next one of the innermost pid namespace; null: tids are as they come.</param>
    public static Bodies Make(Agent agent, Tracee leader, ProcessImage image, Action<int>? nextTid)
    {
        var registers = leader.Registers;
        var mask = leader.SignalMask;
        var call = registers;
        call.Rip = agent.SyscallInstruction.Value;
        call.Rax = CallNumber.clone;
        call.OrigRax = ulong.MaxValue;
        (call.Rdi, call.Rsi) = (Flags, 0);
        leader.SignalMask = ulong.MaxValue;
        var bodies = new List<(Tracee, ThreadImage)> { (leader, image.Threads[0]) };
        foreach (var thread in image.Threads.Skip(1))
        {
            nextTid?.Invoke(thread.Tid);
            var (result, child) = ThreadBirth.Make(leader, call, BlankChild.WhileHeld);
            if (child is null)
            {
                throw new TraceeException($"making thread {thread.Tid}", (int)-result);
            }

            if (nextTid is not null && ThreadBirth.InnermostTid(child) is var tid && tid != thread.Tid)
            {
                throw new TraceeException($"the thread is {tid} here and {thread.Tid} at home", Errno.EAGAIN);
            }

            bodies.Add((child, thread));
        }

        leader.Registers = registers;
        leader.SignalMask = mask;
        return new Bodies(bodies);
    }
}
