namespace OpenMosix.Protocol.Syscalls;

/// <summary>The system-call table by number: names for logs and tools. The entries are generated from syscalls.tbl.</summary>
public static partial class SyscallTable
{
    /// <summary>All calls and variants, in the order of the table.</summary>
    public static IReadOnlyList<SyscallEntry> All => Entries;

    /// <summary>The seccomp filter of a remote: struct sock_filter[].</summary>
    public static ReadOnlyMemory<byte> SeccompFilter => FilterBytes;

    /// <summary>The entry of a call; null when the table does not know the number.</summary>
    public static SyscallEntry? Find(long number) => Index.ByNumber.GetValueOrDefault(number);

    /// <summary>The kernel's name of a call, or "syscall_N".</summary>
    public static string NameOf(long number) => Find(number)?.Name ?? $"syscall_{number}";

    // A class of its own: the order in which fields of the parts of this class are initialized is not defined.
    private static class Index
    {
        internal static readonly Dictionary<long, SyscallEntry> ByNumber = Entries.Where(e => !e.IsVariant).ToDictionary(e => (long)e.Number);
    }
}
