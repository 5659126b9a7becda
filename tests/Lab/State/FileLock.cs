using Microsoft.Win32.SafeHandles;
using OpenMosix.Lab.Interop;

namespace OpenMosix.Lab.State;

/// <summary>flock(2) on a file: held until disposed, or until the holder dies.</summary>
internal sealed class FileLock : IDisposable
{
    private readonly SafeFileHandle _file;

    internal FileLock(string path)
    {
        _file = File.OpenHandle(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.ReadWrite | FileShare.Delete);
        while (LibC.Lock(_file, LibC.LockExclusive) != 0)
        {
            // EINTR only: waiting for another omlab.
        }
    }

    public void Dispose() => _file.Dispose();
}
