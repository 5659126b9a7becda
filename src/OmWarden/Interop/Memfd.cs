// memfd_create(2).
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace OpenMosix.Warden.Interop;

internal static partial class Memfd
{
    private const uint MFD_CLOEXEC = 1, MFD_ALLOW_SEALING = 2; // the engine seals the size of an arena

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int memfd_create(string name, uint flags);
    [LibraryImport("libc", SetLastError = true)]
    private static partial int ftruncate(SafeHandle fd, long length);

    internal static SafeFileHandle Create(string name, long bytes)
    {
        int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
        if (fd < 0)
            throw new IOException($"memfd_create: {Marshal.GetLastPInvokeErrorMessage()}");
        var handle = new SafeFileHandle(fd, true);
        if (bytes > 0 && ftruncate(handle, bytes) != 0)
        {
            handle.Dispose();
            throw new IOException($"ftruncate: {Marshal.GetLastPInvokeErrorMessage()}");
        }
        return handle;
    }
}
