// <sys/mman.h>
using System.Runtime.InteropServices;

namespace OpenMosix.Daemon.Interop;

internal static partial class Madvise
{
    public const int MADV_DONTNEED = 4;

    /// <returns>0, or -1 with errno.</returns>
    [LibraryImport("libc", SetLastError = true)]
    public static partial int madvise(nuint address, nuint lengthBytes, int advice);
}
