using OpenMosix.Warden.Structure;
using static OpenMosix.Warden.Structure.ProcessClone;

namespace OpenMosix.Warden.Tests.Structure;

/// <summary>clone(2): which flags let a child go away, and who gets them.</summary>
public sealed class ProcessCloneTests
{
    private const int SYS_clone = 56, SYS_fork = 57, SYS_vfork = 58;
    private const ulong SIGCHLD = 17, SIGUSR1 = 10;
    private const ulong CLONE_SIGHAND = 0x800, CLONE_NEWNS = 0x20000, CLONE_NEWCGROUP = 0x2000000, CLONE_NEWUTS = 0x4000000, CLONE_NEWIPC = 0x8000000,
        CLONE_NEWUSER = 0x10000000, CLONE_NEWPID = 0x20000000, CLONE_NEWNET = 0x40000000;

    [Theory]
    [InlineData(SYS_fork, 0xdeadbeef, SIGCHLD)] // they take no arguments
    [InlineData(SYS_vfork, 0xdeadbeef, CLONE_VM | CLONE_VFORK | SIGCHLD)]
    [InlineData(SYS_clone, SIGUSR1, SIGUSR1)]
    [InlineData(SYS_clone, 0x1_0000_0000 | CLONE_FILES | SIGCHLD, CLONE_FILES | SIGCHLD)]
    public void FlagsOf_EachCall_AreAsClonesOwn(int number, ulong first, ulong expected) => Assert.Equal(expected, FlagsOf(number, first));

    [Theory]
    [InlineData(SIGCHLD)]
    [InlineData(0)]
    [InlineData(CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID | SIGCHLD)] // glibc's fork
    [InlineData(CLONE_VM | CLONE_VFORK | SIGCHLD)]                                           // posix_spawn
    [InlineData(CLONE_VFORK | SIGCHLD)]
    [InlineData(CLONE_FS | CLONE_FILES | CLONE_SYSVSEM | CLONE_IO | CLONE_PARENT | CLONE_PIDFD | SIGUSR1)]
    [InlineData(CLONE_SETTLS | CLONE_DETACHED | CLONE_UNTRACED | SIGCHLD)]
    public void GoesAway_ChildOfItsOwn_Goes(ulong flags) => Assert.True(GoesAway(flags));

    [Theory]
    [InlineData(CLONE_VM | SIGCHLD)] // two processes with one memory
    [InlineData(CLONE_VM | CLONE_FS | CLONE_FILES)]
    [InlineData(CLONE_VM | CLONE_VFORK | CLONE_SIGHAND | SIGCHLD)]
    [InlineData(CLONE_VM | CLONE_SIGHAND | CLONE_THREAD)]
    [InlineData(CLONE_PTRACE | SIGCHLD)]
    [InlineData(CLONE_NEWNS | SIGCHLD)]
    [InlineData(CLONE_NEWCGROUP | SIGCHLD)]
    [InlineData(CLONE_NEWUTS | SIGCHLD)]
    [InlineData(CLONE_NEWIPC | SIGCHLD)]
    [InlineData(CLONE_NEWUSER | SIGCHLD)]
    [InlineData(CLONE_NEWPID | SIGCHLD)]
    [InlineData(CLONE_NEWNET | SIGCHLD)]
    public void GoesAway_SharedMemoryOrNamespaces_StaysAtHome(ulong flags) => Assert.False(GoesAway(flags));

    [Fact]
    public void AtHomeAndAtBody_EveryFlag_IsOneSidesOrNobodys()
    {
        for (var bit = 0; bit < 64; bit++)
        {
            ulong flag = 1ul << bit;
            bool home = AtHome(flag) != 0, body = AtBody(flag) != CLONE_PARENT;
            // The signal of the end, and what kernel objects are shared; memory and registers.
            Assert.Equal(flag is <= 0x80 or CLONE_FS or CLONE_FILES or CLONE_PIDFD or CLONE_PARENT or CLONE_SYSVSEM or CLONE_IO, home);
            Assert.Equal(flag is CLONE_VM or CLONE_VFORK or CLONE_SETTLS or CLONE_PARENT_SETTID or CLONE_CHILD_CLEARTID or CLONE_CHILD_SETTID, body);
            Assert.Equal(home ? flag : 0, AtHome(flag));
            Assert.Equal((body ? flag : 0) | CLONE_PARENT, AtBody(flag));
            Assert.Equal(home || body || flag is CLONE_DETACHED or CLONE_UNTRACED, GoesAway(flag | (flag == CLONE_VM ? CLONE_VFORK : 0)));
        }
    }
}
