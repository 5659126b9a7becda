namespace OpenMosix.Protocol.Tests;

internal static class Repository
{
    /// <summary>The folder that holds OpenMosix.sln.</summary>
    internal static string Root { get; } = Find();

    private static string Find()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "OpenMosix.sln")))
        {
            folder = folder.Parent;
        }
        return folder?.FullName ?? throw new InvalidOperationException($"OpenMosix.sln is not above {AppContext.BaseDirectory}");
    }
}
