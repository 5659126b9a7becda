namespace OpenMosix.Compat;

/// <summary>The checkout that this was built from: where the cases are and the pages go.</summary>
internal static class Repository
{
    private static string Root { get; } = FindRoot();
    internal static string Compat { get; } = Path.Combine(Root, "tests", "Compat");

    /// <summary>What is kept of each run: output, moves, where it hung.</summary>
    internal static string Kept { get; } = Path.Combine(Root, "out", "compat");

    private static string FindRoot()
    {
        for (var directory = new DirectoryInfo(AppContext.BaseDirectory); directory is not null; directory = directory.Parent)
        {
            if (File.Exists(Path.Combine(directory.FullName, "OpenMosix.sln")))
            {
                return directory.FullName;
            }
        }

        throw new InvalidOperationException($"no OpenMosix.sln above {AppContext.BaseDirectory}");
    }
}
