using Microsoft.Win32.SafeHandles;
using OpenMosix.Protocol.Errors;
using OpenMosix.Protocol.V1;

namespace OpenMosix.Checkpoint.Pages;

/// <summary>The files a frozen process has mapped, opened through /proc/PID/map_files: what the mappings show, even of deleted files.
/// Read with RandomAccess at offsets in the file; short reads are zeros past its end.</summary>
public sealed class SourceFiles : IDisposable
{
    /// <summary>Indexed as image.Files.</summary>
    public IReadOnlyList<SafeFileHandle> Handles => throw new NotImplementedException();

    public static Outcome<SourceFiles> Open(int pid, ProcessImage image) => throw new NotImplementedException();

    public void Dispose() => throw new NotImplementedException();
}
