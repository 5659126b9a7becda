namespace OpenMosix.Protocol.Syscalls;

/// <summary>Where a call of a body that is away is executed (syscalls.tbl). The values are those of <c>enum om_side</c>.</summary>
public enum SyscallSide
{
    /// <summary>Not in the table: refused.</summary>
    Unknown,

    /// <summary>In the remote, natively.</summary>
    Local,

    /// <summary>In the deputy.</summary>
    Home,

    /// <summary>On both sides; the warden conducts it.</summary>
    Both,

    /// <summary>In the process itself, after it was brought home.</summary>
    GoHome,

    /// <summary>Nowhere: answered with an error.</summary>
    Refuse,
}

/// <summary>One line of the system-call table.</summary>
/// <param name="Number">x86-64 number.</param>
/// <param name="Name">The kernel's name; a variant's is "fcntl F_GETLK".</param>
/// <param name="Side">Where it runs.</param>
/// <param name="IsVariant">True for a case of a call, told apart by its arguments.</param>
/// <param name="Restart">What the kernel returns inside when a signal interrupts it: ERESTART*, or EINTR for one that is never made again.</param>
/// <param name="Note">Why, where it is not complete; may be empty.</param>
public sealed record SyscallEntry(int Number, string Name, SyscallSide Side, bool IsVariant, int Restart, string Note);
