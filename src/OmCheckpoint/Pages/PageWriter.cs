using System.Buffers;
using OpenMosix.Checkpoint.Interop;
using OpenMosix.Checkpoint.Tracing;

namespace OpenMosix.Checkpoint.Pages;

/// <summary>Writes memory of another process. Any thread.</summary>
public static class PageWriter
{
    /// <returns>0, or errno.</returns>
    public static int Write(int pid, RemoteAddress address, ReadOnlySpan<byte> source) => RemoteMemory.Write(pid, address, source, out _);

    /// <returns>0, or errno; what lies before the fault was written.</returns>
    public static int Write(int pid, RemoteAddress address, in ReadOnlySequence<byte> source)
    {
        foreach (ReadOnlyMemory<byte> part in source)
        {
            int error = RemoteMemory.Write(pid, address, part.Span, out _);
            if (error != 0)
            {
                return error;
            }

            address += (ulong)part.Length;
        }

        return 0;
    }
}
