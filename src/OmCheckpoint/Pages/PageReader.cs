using OpenMosix.Checkpoint.Tracing;

namespace OpenMosix.Checkpoint.Pages;

/// <summary>Reads memory of another process. Any thread; the process may run.</summary>
public static class PageReader
{
    /// <returns>0, or errno (EFAULT: not all of it is mapped).</returns>
    public static int Read(int pid, RemoteAddress address, Span<byte> destination) => throw new NotImplementedException();
}
