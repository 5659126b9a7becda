using OpenMosix.Protocol.V1;

namespace OpenMosix.Protocol.Errors;

/// <summary>The stages of a move, by the names used everywhere.</summary>
public static class Stage
{
    public const string Freeze = "Freeze";
    public const string Snapshot = "Snapshot";
    public const string Ship = "Ship";
    public const string Restore = "Restore";
    public const string Commit = "Commit";
    public const string Forward = "Forward";
    public const string Return = "Return";
}

/// <summary>Makes failures: something broke, or the process cannot move.</summary>
public static class Failures
{
    public static Failure Broken(string stage, string message, int errno = 0) =>
        new() { Stage = stage, Message = message, Errno = errno };

    public static Failure Refused(string stage, Refusal refusal) =>
        new() { Stage = stage, Message = $"{refusal.Name}: {refusal.Object}", Refusal = refusal };
}
