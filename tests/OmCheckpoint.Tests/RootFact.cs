using System.Runtime.CompilerServices;

namespace OpenMosix.Checkpoint.Tests;

/// <summary>Skipped, with the reason printed, where the privileges are missing.</summary>
internal static class Privileges
{
    public static string? Missing => Environment.IsPrivilegedProcess ? null : "needs root: ptrace, PAGEMAP_SCAN and map_files of other processes";
}

[AttributeUsage(AttributeTargets.Method)]
internal sealed class RootFactAttribute : FactAttribute
{
    public RootFactAttribute([CallerFilePath] string? file = null, [CallerLineNumber] int line = -1)
        : base(file, line) => Skip = Privileges.Missing;
}

[AttributeUsage(AttributeTargets.Method)]
internal sealed class RootTheoryAttribute : TheoryAttribute
{
    public RootTheoryAttribute([CallerFilePath] string? file = null, [CallerLineNumber] int line = -1)
        : base(file, line) => Skip = Privileges.Missing;
}
