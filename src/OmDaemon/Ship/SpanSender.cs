// Sends spans of a frozen process, each page once: what is zero as a number, all else as data read straight into the memory that goes
// to the wire. One per stream.
using System.Buffers.Binary;
using Google.Protobuf;
using OpenMosix.Checkpoint.Pages;
using OpenMosix.Checkpoint.Tracing;
using OpenMosix.Grpc;
using OpenMosix.Protocol.V1;

namespace OpenMosix.Daemon.Ship;

internal sealed class SpanSender(PageOffer offer, FrameWriter frames)
{
    // Measured: smaller messages cost calls, larger ones memory; 4 MiB are slower again.
    public const int MaxChunkBytes = 256 * 1024;
    private const int FlushBytes = 256 * 1024;
    private const int CrcFieldBytes = 5;
    private const byte CrcTag = (PageChunk.Crc32CFieldNumber << 3) | 5;

    private readonly PageChunk _header = new();

    // How much is read at once. Where pages of zeros and others alternate, what was read beyond the end of a run is read again: so it
    // shrinks to the length of the runs met, and doubles again where they are long.
    private int _reachBytes = MaxChunkBytes;

    public async ValueTask SendAsync(PageSpan span, CancellationToken cancellationToken)
    {
        var (offset, end) = (span.Offset, span.Offset + span.Bytes);
        var zeros = 0ul;
        while (offset < end)
        {
            cancellationToken.ThrowIfCancellationRequested();
            _header.File = span.File;
            _header.Offset = offset;
            var headerBytes = _header.CalculateSize();
            var want = (int)Math.Min((ulong)_reachBytes, end - offset);
            Memory<byte> room = frames.Reserve(headerBytes + CrcFieldBytes, PageChunk.DataFieldNumber, want)[..want];
            Read(span.File, offset, room.Span);
            var (run, isZero) = FirstRun(room.Span);
            _reachBytes = run == want ? Math.Min(_reachBytes * 2, MaxChunkBytes) : run;
            if (isZero)
            {
                zeros += (ulong)run;
                offset += (ulong)run;
                if (run == want && offset < end)
                    continue;
            }

            if (zeros > 0)
            {
                // The reservation is given up by this, and a run that was read behind a boundary is read again.
                frames.Write(new PageChunk { File = span.File, Offset = offset - zeros, ZeroBytes = zeros });
                zeros = 0;
                continue;
            }

            _header.WriteTo(frames.Header[..headerBytes]);
            frames.Header[headerBytes] = CrcTag;
            BinaryPrimitives.WriteUInt32LittleEndian(frames.Header[(headerBytes + 1)..], Crc32C.Compute(room.Span[..run]));
            frames.Commit(run);
            offset += (ulong)run;
            if (frames.UnflushedBytes >= FlushBytes)
                await frames.FlushAsync(cancellationToken).ConfigureAwait(false);
        }
    }

    /// <returns>Length of the pages at the beginning that are all zero, or all not.</returns>
    internal static (int Bytes, bool IsZero) FirstRun(ReadOnlySpan<byte> pages)
    {
        var isZero = ZeroPages.IsZero(pages[..ZeroPages.PageBytes]);
        var bytes = ZeroPages.PageBytes;
        while (bytes < pages.Length && ZeroPages.IsZero(pages.Slice(bytes, ZeroPages.PageBytes)) == isZero)
            bytes += ZeroPages.PageBytes;
        return (bytes, isZero);
    }

    private void Read(uint file, ulong offset, Span<byte> destination)
    {
        if (file == 0)
        {
            var errno = PageReader.Read(offer.MemoryPid, new RemoteAddress(offset), destination);
            if (errno != 0)
                throw new RpcException(StatusCode.DataLoss, $"Memory 0x{offset:x}+0x{destination.Length:x} of process {offer.MemoryPid} cannot be read (errno {errno}).");
            return;
        }

        try
        {
            while (!destination.IsEmpty)
            {
                var count = RandomAccess.Read(offer.Files.Handles[(int)file - 1], destination, (long)offset);
                if (count == 0)
                {
                    destination.Clear(); // past the end: what the mapping shows there
                    return;
                }

                destination = destination[count..];
                offset += (ulong)count;
            }
        }
        catch (IOException unreadable)
        {
            throw new RpcException(StatusCode.DataLoss, $"File {file - 1} cannot be read at 0x{offset:x}: {unreadable.Message}", unreadable);
        }
    }
}
