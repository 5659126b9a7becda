namespace OpenMosix.Lab.Tests.Running;

/// <summary>Where the build put what is tested.</summary>
internal static class Repository
{
    internal static string Root { get; } = FindRoot();
    internal static string Bin { get; } = Path.Combine(Root, "out", "bin");
    internal static string Stub { get; } = Path.Combine(Root, "out", "tests", "stub");
    internal static string Workloads { get; } = Path.Combine(Root, "out", "tests", "workloads");
    internal static string Logs { get; } = Path.Combine(Root, "out", "tests", "logs");

    // out/bin/omlab is a link made after the build; the program itself is beside the other build products.
    internal static string Omlab { get; } = Path.Combine(Root, "out", "dotnet", "bin", "OmLab", "release", "omlab");

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
