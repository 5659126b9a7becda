using System.Buffers;
using OpenMosix.Checkpoint.Tracing;

namespace OpenMosix.Checkpoint.Pages;

/// <summary>Writes memory of another process. Any thread.</summary>
public static class PageWriter
{
    /// <returns>0, or errno.</returns>
    public static int Write(int pid, RemoteAddress address, ReadOnlySpan<byte> source) => throw new NotImplementedException();

    public static int Write(int pid, RemoteAddress address, in ReadOnlySequence<byte> source) => throw new NotImplementedException();
}
