// Takes the chunks of one stream, checks that each is the next that was asked for, whole and undamaged, and puts it in its place. The
// peer is trusted with what it was asked for and with nothing else. One per stream.
using Google.Protobuf;
using OpenMosix.Checkpoint.Pages;
using OpenMosix.Grpc;
using OpenMosix.Protocol.Errors;
using OpenMosix.Protocol.V1;

namespace OpenMosix.Daemon.Ship;

internal sealed class SpanReceiver(IReadOnlyList<PageSpan> spans, PageDestination destination)
{
    private int _span;
    private ulong _position = spans.Count > 0 ? spans[0].Offset : 0;

    public ulong DataBytes { get; private set; }

    public ulong ZeroBytes { get; private set; }

    /// <summary>Everything that was asked for has come.</summary>
    public bool IsComplete => _span == spans.Count;

    public Outcome Take(RawMessage message)
    {
        PageChunk chunk;
        if (!message.TrySplit(PageChunk.DataFieldNumber, out ReadOnlyMemory<byte> header, out ReadOnlyMemory<byte> data))
            return Broken("a chunk is malformed");
        try
        {
            chunk = PageChunk.Parser.ParseFrom(header.Span);
        }
        catch (InvalidProtocolBufferException)
        {
            return Broken("a chunk is malformed");
        }

        if (IsComplete || chunk.File != spans[_span].File || chunk.Offset != _position)
            return Broken($"{Place(chunk)} was sent out of turn");
        var zeros = chunk.ZeroBytes > 0;
        var bytes = zeros ? chunk.ZeroBytes : (ulong)data.Length;
        if (bytes == 0 || bytes % Spans.PageBytes != 0 || bytes > spans[_span].Offset + spans[_span].Bytes - _position || (zeros && !data.IsEmpty)
            || data.Length > SpanSender.MaxChunkBytes)
            return Broken($"{Place(chunk)} has {bytes} bytes, which is not what was asked for");
        if (!zeros && Crc32C.Compute(data.Span) != chunk.Crc32C)
            return Broken($"{Place(chunk)} is damaged: its checksum is wrong");

        Outcome written = zeros ? destination.Clear(chunk.File, chunk.Offset, bytes) : destination.Write(chunk.File, chunk.Offset, data.Span);
        if (!written.Ok)
            return written;
        if (zeros)
            ZeroBytes += bytes;
        else
            DataBytes += bytes;
        Advance(bytes);
        return Outcome.Done;
    }

    private void Advance(ulong bytes)
    {
        _position += bytes;
        if (_position != spans[_span].Offset + spans[_span].Bytes)
            return;
        _span++;
        if (!IsComplete)
            _position = spans[_span].Offset;
    }

    private static string Place(PageChunk chunk) => $"{(chunk.File == 0 ? "memory" : $"file {chunk.File - 1}")} 0x{chunk.Offset:x}";

    private static Failure Broken(string message) => Failures.Broken(Stage.Ship, message);
}
