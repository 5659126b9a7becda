using System.Diagnostics;

namespace OpenMosix.Compat.Running;

/// <summary>
/// Directories of a suite's run, gone when it ends: `work` is made anew for each run of a case, at the same path; `out` has what it wrote; `cache`
/// is for what a case prepares once.
/// </summary>
internal sealed class Workspace : IDisposable
{
    private readonly DirectoryInfo _root;
    private readonly BoundedFilesystem? _bounded;

    internal Workspace()
        : this(Path.GetTempPath(), null)
    {
    }

    /// <param name="bytes">As large as everything in it may become; null: as the machine's disk.</param>
    internal Workspace(string parent, long? bytes)
    {
        _root = Directory.CreateDirectory(Path.Combine(parent, $"openmosix-compat-{Path.GetRandomFileName()}"));
        _bounded = bytes is { } size ? BoundedFilesystem.Mount(_root.FullName, size) : null;
        File.SetUnixFileMode(_root.FullName, (UnixFileMode)0b111_101_101); // for those who do not run as root
        MakeOpen("cache");
    }

    internal string Work => Path.Combine(_root.FullName, "work");
    internal string Cache => Path.Combine(_root.FullName, "cache");
    internal string Output => Path.Combine(_root.FullName, "out");

    /// <summary>Where nothing of an earlier run is left.</summary>
    internal void Clear()
    {
        foreach (var directory in (string[])["work", "work/tmp", "out"])
        {
            MakeOpen(directory, anew: !directory.Contains('/', StringComparison.Ordinal));
        }
    }

    /// <summary>Nothing of the caller's, so that it is the same everywhere.</summary>
    internal Dictionary<string, string> Environment(bool moved) => new()
    {
        ["PATH"] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        ["HOME"] = Work,
        ["TMPDIR"] = Path.Combine(Work, "tmp"),
        ["LC_ALL"] = "C.UTF-8",
        ["TERM"] = "xterm",
        ["SHELL"] = "/bin/bash",
        ["WORK"] = Work,
        ["OUT"] = Output,
        ["CACHE"] = Cache,
        ["PROGRAMS"] = Path.Combine(Repository.Compat, "programs"),
        ["OMCOMPAT_RUN"] = moved ? "moved" : "native",
    };

    public void Dispose()
    {
        _bounded?.Dispose();
        Remove(_root.FullName);
    }

    private void MakeOpen(string name, bool anew = false)
    {
        var path = Path.Combine(_root.FullName, name);
        if (anew && Directory.Exists(path))
        {
            Remove(path);
        }

        Directory.CreateDirectory(path);
        File.SetUnixFileMode(path, (UnixFileMode)0b1_111_111_111);
    }

    // rm and not Directory.Delete: a test of file systems leaves names that are no UTF-8, sockets, and directories nobody may read.
    private static void Remove(string path)
    {
        using var rm = Process.Start("rm", ["-rf", "--one-file-system", path]);
        rm.WaitForExit();
    }
}
