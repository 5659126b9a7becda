namespace OpenMosix.Lab.State;

/// <summary>
/// Where the programs are: out/bin and out/lib of a build, the same folders of a prefix when installed. OMLAB_BIN names another folder to
/// take the daemons and omctl from, as another build's.
/// </summary>
public static class Installation
{
    private static readonly Lazy<string> Prefix = new(FindPrefix);

    public static string Bin =>
        Environment.GetEnvironmentVariable("OMLAB_BIN") is { Length: > 0 } other ? Path.GetFullPath(other) : Path.Combine(Prefix.Value, "bin");

    public static string Init => Path.Combine(Prefix.Value, "lib", "omlab-init");
    public static string Enter => Path.Combine(Prefix.Value, "lib", "omlab-enter");

    private static string FindPrefix()
    {
        for (var directory = new DirectoryInfo(AppContext.BaseDirectory); directory is not null; directory = directory.Parent)
        {
            if (File.Exists(Path.Combine(directory.FullName, "lib", "omlab-init")))
            {
                return directory.FullName;
            }
        }

        throw new LabException($"lib/omlab-init is not above {AppContext.BaseDirectory}: run make");
    }
}
