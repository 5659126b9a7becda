using System.Diagnostics;
using OpenMosix.Lab;

namespace OpenMosix.Compat.Running;

/// <summary>An ext4 of its own in a sparse file: what fills it leaves the machine's disk alone. To be mounted before the lab is made, whose nodes see it then.</summary>
internal sealed class BoundedFilesystem : IDisposable
{
    private readonly string _image;

    private BoundedFilesystem(string image) => _image = image;

    internal static BoundedFilesystem Mount(string directory, long bytes)
    {
        var image = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName() + ".ext4");
        using (var file = File.Create(image))
        {
            file.SetLength(bytes);
        }

        var mounted = new BoundedFilesystem(image) { Directory = directory };
        if (!Succeeds("mkfs.ext4", "-q", "-F", image) || !Succeeds("mount", "-o", "loop", image, directory))
        {
            File.Delete(image);
            throw new LabException("stress-ng fills its file system: it wants one of its own, and no loop device could be mounted here");
        }

        return mounted;
    }

    private string Directory { get; init; } = "";

    public void Dispose()
    {
        Succeeds("umount", Directory);
        File.Delete(_image);
    }

    private static bool Succeeds(string program, params string[] arguments)
    {
        using var process = Process.Start(program, arguments);
        process.WaitForExit();
        return process.ExitCode == 0;
    }
}
