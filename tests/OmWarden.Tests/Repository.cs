namespace OpenMosix.Warden.Tests;

/// <summary>Where the build put what the tests start.</summary>
internal static class Repository
{
    internal static string Root { get; } = FindRoot();

    internal static string Output(string path) => Path.Combine(Root, "out", path);

    private static string FindRoot()
    {
        for (DirectoryInfo? folder = new(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
            if (File.Exists(Path.Combine(folder.FullName, "OpenMosix.sln")))
                return folder.FullName;
        throw new DirectoryNotFoundException("OpenMosix.sln above " + AppContext.BaseDirectory);
    }
}
