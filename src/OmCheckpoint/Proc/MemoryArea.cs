using System.Globalization;

namespace OpenMosix.Checkpoint.Proc;

/// <summary>One line of /proc/PID/maps; with Flags, of smaps.</summary>
internal sealed record MemoryArea
{
    public ulong Start { get; init; }

    public ulong End { get; init; }

    public ulong Bytes => End - Start;

    public bool Readable { get; init; }

    public bool Writable { get; init; }

    public bool Executable { get; init; }

    /// <summary>MAP_SHARED as it was asked for; the 's' of maps.</summary>
    public bool Shared { get; init; }

    public ulong Offset { get; init; }

    public ulong Device { get; init; }

    public ulong Inode { get; init; }

    /// <summary>The path, or a name in brackets, or nothing. A newline in it is \012.</summary>
    public string Name { get; init; } = "";

    /// <summary>VmFlags of smaps, two letters each.</summary>
    public IReadOnlyList<string> Flags { get; init; } = [];

    public uint Protection => (Readable ? 1u : 0) | (Writable ? 2u : 0) | (Executable ? 4u : 0);

    public bool IsVdso => Name == "[vdso]";

    /// <summary>The kernel's own areas that travel with the vDSO.</summary>
    public bool IsVvar => Name is "[vvar]" or "[vvar_vclock]";

    public bool IsVsyscall => Name == "[vsyscall]";

    public bool IsFile => Inode != 0;

    public bool Overlaps(ulong start, ulong end) => Start < end && start < End;

    public override string ToString() =>
        string.Create(CultureInfo.InvariantCulture,
            $"{Start:x}-{End:x} {(Readable ? 'r' : '-')}{(Writable ? 'w' : '-')}{(Executable ? 'x' : '-')}{(Shared ? 's' : 'p')} {Name}").TrimEnd();
}
