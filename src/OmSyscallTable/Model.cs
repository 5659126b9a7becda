namespace OpenMosix.Tables;

/// <summary>Where a call is executed. The order is that of <c>enum om_side</c> in om_syscalls.h.</summary>
public enum Side
{
    Unknown,
    Local,
    Home,
    Both,
    GoHome,
    Refuse,
}

/// <summary>The order is that of <c>enum om_argument_kind</c> in om_syscalls.h.</summary>
public enum ArgumentKind
{
    Value,
    Position,
    Memory,
    String,
    Bulk,
    Iov,
    Msg,
    Mmsg,
    SignalMask,
    SignalMask6,
    Reference,
    Bad,
    Opaque,
    File,
}

/// <summary>The order is that of <c>enum om_size_kind</c> in om_syscalls.h.</summary>
public enum SizeKind
{
    Fixed,
    Argument32,
    Argument64,
    Behind,
    Self16,
    Self32,
    Self64,
    Capability,
    Ioctl,
    FdSet,
}

/// <summary>The order is that of <c>enum om_cut_kind</c> in om_syscalls.h.</summary>
public enum CutKind
{
    Whole,
    Returned,
    Length,
    Positive,
}

/// <summary><c>OM_ARGUMENT_*</c> in om_syscalls.h.</summary>
[Flags]
public enum ArgumentFlags
{
    None = 0,
    In = 1,
    Out = 2,
    BestEffort = 4,
    Always = 8,
}

/// <summary>One argument as it was written, and what it means.</summary>
public sealed record Argument(string Text, ArgumentKind Kind)
{
    public ArgumentFlags Flags { get; init; }
    public SizeKind SizeKind { get; init; }
    public int SizeArgument { get; init; }
    public uint Size { get; init; } = 1;
    public uint Base { get; init; }
    public CutKind Cut { get; init; }
    public uint CutScale { get; init; } = 1;
}

/// <summary>A test of one argument: <c>(argument &amp; Mask) == Value</c>, on its low 32 bits unless <see cref="Wide"/>.</summary>
public sealed record Condition(int Argument, ulong Mask, ulong Value, bool Wide)
{
    /// <summary>True when no argument list can satisfy both.</summary>
    public bool Excludes(Condition other) =>
        Argument == other.Argument && (Value & other.Mask) != (other.Value & Mask) && ((Value ^ other.Value) & Mask & other.Mask) != 0;
}

/// <summary>One line of the table: a call, or a variant of one.</summary>
public sealed record Entry(int Number, string Name, Side Side)
{
    public string Restart { get; init; } = "-";

    /// <summary>ERESTARTSYS, ERESTARTNOHAND, EINTR; ERESTARTNOINTR where the table names none.</summary>
    public int RestartErrno => Restart switch { "sys" => 512, "nohand" => 514, "eintr" => 4, _ => 513 };

    public IReadOnlyList<string> Flags { get; init; } = [];
    public IReadOnlyList<Argument> Arguments { get; init; } = [];
    public string Note { get; init; } = "";
    public IReadOnlyList<Condition> Conditions { get; init; } = [];
    public IReadOnlyList<Entry> Variants { get; init; } = [];
    public string ConditionText { get; init; } = "";

    public string? Flag(string name) => Flags.FirstOrDefault(f => f == name || f.StartsWith(name + "=", StringComparison.Ordinal)) is { } flag
        ? flag[(flag.IndexOf('=', StringComparison.Ordinal) + 1)..]
        : null;
}

/// <summary>The table is wrong; the message names file and line.</summary>
public sealed class TableException(string message) : Exception(message);
