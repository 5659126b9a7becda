using System.Buffers.Binary;
using System.IO.Pipelines;
using OpenMosix.Grpc.Server;
using OpenMosix.Grpc.Wire;

namespace OpenMosix.Grpc;

/// <summary>
/// Writes messages whose last field is a large <c>bytes</c> field straight into the memory that goes to the wire:
/// <code>
/// Memory    |prefix 5|header: the other fields|tag|length, 4|data ...        |
/// Reserve   ^--- one block of the connection's pool ------------------------^
/// </code>
/// The data's length is a varint padded to four bytes, which every protobuf parser accepts, so that it may be decided after the data
/// is in place (pages of zeros are found only then). Nothing is sent before FlushAsync; a reservation that is not committed is forgotten.
/// For one thread at a time.
/// </summary>
public sealed class FrameWriter
{
    private const int LengthBytes = 4;
    private const int MaxDataBytes = (1 << 28) - 1;

    private readonly PipeWriter _output;
    private Memory<byte> _frame;
    private int _headerBytes;
    private int _tagBytes;

    internal FrameWriter(PipeWriter output) => _output = output;

    /// <summary>Bytes committed and not yet flushed.</summary>
    public long UnflushedBytes { get; private set; }

    /// <summary>The other fields of the message, encoded, to be filled before Commit.</summary>
    public Span<byte> Header => _frame.Span.Slice(FramePrefix.Bytes, _headerBytes);

    /// <param name="headerBytes">Exact size of the other fields.</param>
    /// <param name="dataField">Number of the bytes field.</param>
    /// <param name="minimumDataBytes">There is room for at least as much.</param>
    /// <returns>Where the data is to be put; it may be longer than asked for.</returns>
    public Memory<byte> Reserve(int headerBytes, int dataField, int minimumDataBytes)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(minimumDataBytes, MaxDataBytes);
        ArgumentOutOfRangeException.ThrowIfNotEqual(dataField is > 0 and < 2048, true);
        _tagBytes = dataField < 16 ? 1 : 2;
        _headerBytes = headerBytes;
        var before = FramePrefix.Bytes + headerBytes + _tagBytes + LengthBytes;
        _frame = _output.GetMemory(before + minimumDataBytes);
        var tag = _frame.Span[(FramePrefix.Bytes + headerBytes)..];
        var key = (dataField << 3) | 2;
        tag[0] = (byte)(_tagBytes == 1 ? key : key | 0x80);
        if (_tagBytes == 2)
        {
            tag[1] = (byte)(key >> 7);
        }

        return _frame.Length - before > MaxDataBytes ? _frame.Slice(before, MaxDataBytes) : _frame[before..];
    }

    /// <summary>The first <paramref name="dataBytes"/> of what was reserved are the data; the message is complete.</summary>
    public void Commit(int dataBytes)
    {
        var before = FramePrefix.Bytes + _headerBytes + _tagBytes + LengthBytes;
        ArgumentOutOfRangeException.ThrowIfGreaterThan(dataBytes, _frame.Length - before);
        FramePrefix.Write(_frame.Span, before - FramePrefix.Bytes + dataBytes);
        var bits = (uint)dataBytes;
        BinaryPrimitives.WriteUInt32LittleEndian(
            _frame.Span[(before - LengthBytes)..],
            (bits & 0x7f) | 0x80 | ((bits << 1) & 0x7f00) | 0x8000 | ((bits << 2) & 0x7f0000) | 0x800000 | ((bits << 3) & 0x7f000000));
        _output.Advance(before + dataBytes);
        UnflushedBytes += before + dataBytes;
        _frame = default;
        _headerBytes = 0;
    }

    /// <summary>An ordinary message in between.</summary>
    public void Write(Google.Protobuf.IMessage message)
    {
        MessageWriter.Write(_output, message);
        UnflushedBytes += FramePrefix.Bytes + message.CalculateSize();
    }

    /// <summary>Sends what was committed; waits while the receiver is slow.</summary>
    public ValueTask FlushAsync(CancellationToken cancellationToken)
    {
        UnflushedBytes = 0;
        return ResponseFlush.FlushAsync(_output, cancellationToken);
    }
}
