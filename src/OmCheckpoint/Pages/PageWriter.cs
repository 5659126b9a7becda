using System.Buffers;
using OpenMosix.Checkpoint.Interop;
using OpenMosix.Checkpoint.Tracing;
using OpenMosix.Protocol.Image;

namespace OpenMosix.Checkpoint.Pages;

/// <summary>Writes memory of another process. Any thread.</summary>
public static class PageWriter
{
    /// <returns>0, or errno.</returns>
    public static int Write(int pid, RemoteAddress address, ReadOnlySpan<byte> source) => RemoteMemory.Write(pid, address, source, out _);

    /// <summary>Only the pages that are not as they are to be.</summary>
    /// <returns>0, or errno.</returns>
    public static int WriteDifferent(int pid, RemoteAddress address, ReadOnlySpan<byte> source)
    {
        Span<byte> there = stackalloc byte[(int)ImageFormat.PageBytes];
        while (!source.IsEmpty)
        {
            ReadOnlySpan<byte> page = source[..Math.Min(source.Length, there.Length - (int)(address.Value % (ulong)there.Length))];
            int error = RemoteMemory.Read(pid, address, there[..page.Length], out _);
            if (error == 0 && !page.SequenceEqual(there[..page.Length]))
            {
                error = RemoteMemory.Write(pid, address, page, out _);
            }

            if (error != 0)
            {
                return error;
            }

            address += (ulong)page.Length;
            source = source[page.Length..];
        }

        return 0;
    }

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
