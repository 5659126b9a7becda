using System.Globalization;
using Microsoft.Win32.SafeHandles;
using OpenMosix.Checkpoint.Interop;
using OpenMosix.Protocol.Errors;
using OpenMosix.Protocol.V1;

namespace OpenMosix.Checkpoint.Pages;

/// <summary>The files a frozen process has mapped, opened through /proc/PID/map_files: what the mappings show, even of deleted files.
/// Read with RandomAccess at offsets in the file; short reads are zeros past its end.</summary>
public sealed class SourceFiles : IDisposable
{
    private readonly SafeFileHandle[] _handles;

    private SourceFiles(SafeFileHandle[] handles) => _handles = handles;

    /// <summary>Indexed as image.Files.</summary>
    public IReadOnlyList<SafeFileHandle> Handles => _handles;

    public static Outcome<SourceFiles> Open(int pid, ProcessImage image)
    {
        var handles = new List<SafeFileHandle>(image.Files.Count);
        for (int file = 0; file < image.Files.Count; file++)
        {
            Mapping? mapping = image.Mappings.FirstOrDefault(candidate => candidate.File == file + 1);
            string path = string.Create(CultureInfo.InvariantCulture, $"/proc/{pid}/map_files/{mapping?.Start ?? 0:x}-{mapping?.End ?? 0:x}");
            int error = mapping is null ? Errno.ENOENT : Kernel.OpenRead(path, out SafeFileHandle? handle) is var result && result != 0 ? result : Keep(handles, handle!);
            if (error != 0)
            {
                handles.ForEach(opened => opened.Dispose());
                return Failures.Broken(Stage.Ship, $"{image.Files[file].Path} cannot be read through {path}: {Errno.Describe(error)}", error);
            }
        }

        return new SourceFiles([.. handles]);
    }

    public void Dispose() => Array.ForEach(_handles, handle => handle.Dispose());

    private static int Keep(List<SafeFileHandle> handles, SafeFileHandle handle)
    {
        handles.Add(handle);
        return 0;
    }
}
