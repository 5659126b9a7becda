namespace OpenMosix.Checkpoint.Tests.Threads;

/// <summary>Programs for seccomp: struct sock_filter each, code, jt, jf, k.</summary>
internal static class Filters
{
    public static readonly byte[] AllowAll = [0x06, 0, 0, 0, 0, 0, 0xff, 0x7f];

    /// <summary>clone goes to the listener, clone3 is ENOSYS (KERNEL.md 17).</summary>
    public static readonly byte[] CloneToListener =
    [
        0x20, 0, 0, 0, 0, 0, 0, 0,          // load the number
        0x15, 0, 0, 1, 56, 0, 0, 0,         // clone?
        0x06, 0, 0, 0, 0, 0, 0xc0, 0x7f,    // SECCOMP_RET_USER_NOTIF
        0x15, 0, 0, 1, 0xb3, 1, 0, 0,       // clone3?
        0x06, 0, 0, 0, 38, 0, 5, 0,         // SECCOMP_RET_ERRNO, ENOSYS
        0x06, 0, 0, 0, 0, 0, 0xff, 0x7f,
    ];

    /// <summary>Likewise fork and vfork.</summary>
    public static readonly byte[] ForksToListener =
    [
        0x20, 0, 0, 0, 0, 0, 0, 0,          // load the number
        0x15, 0, 2, 0, 56, 0, 0, 0,         // clone?
        0x15, 0, 1, 0, 57, 0, 0, 0,         // fork?
        0x15, 0, 0, 1, 58, 0, 0, 0,         // vfork?
        0x06, 0, 0, 0, 0, 0, 0xc0, 0x7f,    // SECCOMP_RET_USER_NOTIF
        0x15, 0, 0, 1, 0xb3, 1, 0, 0,       // clone3?
        0x06, 0, 0, 0, 38, 0, 5, 0,         // SECCOMP_RET_ERRNO, ENOSYS
        0x06, 0, 0, 0, 0, 0, 0xff, 0x7f,
    ];
}
