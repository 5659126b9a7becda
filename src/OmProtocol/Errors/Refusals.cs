using OpenMosix.Protocol.Image;
using OpenMosix.Protocol.V1;

namespace OpenMosix.Protocol.Errors;

/// <summary>Why a process cannot move: each reason with its name, the object at fault, and what to do about it.</summary>
public static class Refusals
{
    public static Refusal Threads(int count) =>
        Make("threads", $"{count} threads", $"processes with up to {ImageFormat.ThreadsMax} threads can move; move it before it starts so many");

    public static Refusal LeaderExited() =>
        Make("leader-exited", "its first thread has ended", "a process whose main() has called pthread_exit stays where it is; let that thread wait for the others");

    public static Refusal SharedMemory(string mapping) =>
        Make("shared-memory", mapping, "somebody else has it, too, who would not move with it: start all who use it in one job, or end the others");

    public static Refusal SystemVSharedMemory(string mapping) =>
        Make("sysv-shared-memory", mapping, "detach it (shmdt) before the move");

    public static Refusal IoUring(string what) => Make("io-uring", what, "let the program use ordinary read and write");

    public static Refusal Aio(string mapping) => Make("aio", mapping, "let the program use ordinary read and write (io_destroy before the move)");

    public static Refusal Userfaultfd(string what) => Make("userfaultfd", what, "the program serves its own page faults: wait until it has closed it");

    public static Refusal PerfEvents(string what) => Make("perf-events", what, "stop counting (perf) and try again");

    public static Refusal Signalfd(string what) =>
        Make("signalfd", what, "it reads the signals that are pending at home: try again when the program has closed it");

    public static Refusal Traced(int tracer) => Make("traced", $"process {tracer} traces it", "end the debugger, strace or profiler that is attached");

    public static Refusal SyscallUserDispatch(string thread) =>
        Make("syscall-user-dispatch", thread, "a program that emulates its own system calls (Wine, some sandboxes) stays at home");

    public static Refusal Seccomp(int mode) =>
        Make("seccomp-filter", mode == 1 ? "strict mode" : "its own filter", "a process that filters its own system calls stays at home; turn its sandbox off to move it");

    public static Refusal HugeTlb(string mapping) => Make("hugetlb", mapping, "use transparent huge pages (madvise) in place of hugetlbfs");

    public static Refusal ShadowStack(string mapping) => Make("shadow-stack", mapping, "start it with GLIBC_TUNABLES=glibc.cpu.x86_shstk=off");

    public static Refusal Sealed(string mapping) => Make("sealed-memory", mapping, "memory sealed by mseal cannot be rebuilt; start it without sealing");

    public static Refusal DeviceMapping(string mapping) => Make("device-mapping", mapping, "memory of a device cannot move; close the device first");

    public static Refusal UnknownMapping(string mapping, string why) =>
        Make("unknown-mapping", mapping, $"this version does not know it ({why}); report it");

    public static Refusal ThirtyTwoBit(string what) => Make("32-bit", what, "only 64-bit programs move");

    public static Refusal SharedAddressSpace(int other) =>
        Make("shared-address-space", $"process {other} has the same memory", "wait until the child of vfork has executed its program");

    public static Refusal Vdso(string what) => Make("vdso", what, "both nodes need the same kernel so far");

    public static Refusal CpuFeatures(string what) => Make("cpu", what, "move it to a node whose CPU has these features");

    public static Refusal AddressSpace(ulong bytes) =>
        Make("address-space", $"{bytes >> 10} KiB of addresses for the agent", "its limits (RLIMIT_AS, RLIMIT_DATA, RLIMIT_MEMLOCK) leave no room: raise them (prlimit) before the move");

    public static Refusal Stopped() => Make("stopped", "the process is stopped", "continue it (SIGCONT, fg) and try again");

    public static Refusal NoMemory() => Make("kernel-thread", "it has no address space", "kernel threads and zombies do not move");

    public static Refusal Make(string name, string @object, string advice) => new() { Name = name, Object = @object, Advice = advice };
}
