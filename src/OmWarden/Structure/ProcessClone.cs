namespace OpenMosix.Warden.Structure;

/// <summary>clone(2) of a process: what of its flags is whose.</summary>
internal static class ProcessClone
{
    internal const ulong CLONE_VM = 0x100, CLONE_FS = 0x200, CLONE_FILES = 0x400, CLONE_PIDFD = 0x1000, CLONE_PTRACE = 0x2000,
        CLONE_VFORK = 0x4000, CLONE_PARENT = 0x8000, CLONE_THREAD = 0x10000, CLONE_SYSVSEM = 0x40000, CLONE_SETTLS = 0x80000,
        CLONE_PARENT_SETTID = 0x100000, CLONE_CHILD_CLEARTID = 0x200000, CLONE_DETACHED = 0x400000, CLONE_UNTRACED = 0x800000,
        CLONE_CHILD_SETTID = 0x1000000, CLONE_IO = 0x80000000;

    private const int fork = 57, vfork = 58;
    private const ulong SIGCHLD = 17;

    // What the child's kernel objects are shared with is home's; what lies in memory and registers is the body's.
    private const ulong OfHome = 0xff | CLONE_FS | CLONE_FILES | CLONE_PIDFD | CLONE_PARENT | CLONE_SYSVSEM | CLONE_IO;
    private const ulong OfBody = CLONE_VM | CLONE_VFORK | CLONE_SETTLS | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID | CLONE_CHILD_SETTID;
    private const ulong OfNobody = CLONE_DETACHED | CLONE_UNTRACED;

    /// <summary>As clone's.</summary>
    internal static ulong FlagsOf(int number, ulong first) => number switch
    {
        fork => SIGCHLD,
        vfork => CLONE_VM | CLONE_VFORK | SIGCHLD,
        _ => first & uint.MaxValue, // the kernel takes no more
    };

    /// <summary>The pidfd is stored where the parent's tid would be: clone(2) has no place for both.</summary>
    internal static bool IsValid(ulong flags) =>
        (flags & CLONE_PIDFD) == 0 || (flags & (CLONE_PARENT_SETTID | CLONE_DETACHED)) == 0;

    /// <summary>Two processes with one memory, or with namespaces of the child's own, are made at home only.</summary>
    internal static bool GoesAway(ulong flags) =>
        (flags & ~(OfHome | OfBody | OfNobody)) == 0 && (flags & (CLONE_VM | CLONE_VFORK)) is 0 or CLONE_VFORK or (CLONE_VM | CLONE_VFORK);

    internal static ulong AtHome(ulong flags) => flags & OfHome;

    /// <summary>The child's parent in the cell is init, which reaps it: whom it tells at home is home's affair.</summary>
    internal static ulong AtBody(ulong flags) => flags & OfBody | CLONE_PARENT;
}
