using Google.Protobuf;

namespace OpenMosix.Grpc;

/// <summary>A message as it came, not parsed. Valid until the next is read.</summary>
public readonly record struct RawMessage(ReadOnlyMemory<byte> Bytes)
{
    /// <summary>Splits off a <c>bytes</c> field that ends the message: its value without a copy, and the encoded fields before it.</summary>
    /// <returns>False if the message is malformed, or the field is there and is not the last. A missing field is empty data.</returns>
    public bool TrySplit(int dataField, out ReadOnlyMemory<byte> header, out ReadOnlyMemory<byte> data)
    {
        var span = Bytes.Span;
        var wanted = ((uint)dataField << 3) | (uint)WireFormat.WireType.LengthDelimited;
        var position = 0;
        header = data = default;
        while (position < span.Length)
        {
            var field = position;
            if (!TryVarint(span, ref position, out var tag))
            {
                return false;
            }

            if (tag == wanted)
            {
                if (!TryVarint(span, ref position, out var length) || length != (ulong)(span.Length - position))
                {
                    return false;
                }

                header = Bytes[..field];
                data = Bytes[position..];
                return true;
            }

            if (!TrySkip(span, (WireFormat.WireType)(tag & 7), ref position))
            {
                return false;
            }
        }

        header = Bytes;
        return true;
    }

    private static bool TrySkip(ReadOnlySpan<byte> span, WireFormat.WireType type, ref int position)
    {
        ulong skip;
        switch (type)
        {
            case WireFormat.WireType.Varint:
                return TryVarint(span, ref position, out _);
            case WireFormat.WireType.Fixed32:
                skip = 4;
                break;
            case WireFormat.WireType.Fixed64:
                skip = 8;
                break;
            case WireFormat.WireType.LengthDelimited when TryVarint(span, ref position, out skip):
                break;
            default:
                return false;
        }

        if (skip > (ulong)(span.Length - position))
        {
            return false;
        }

        position += (int)skip;
        return true;
    }

    private static bool TryVarint(ReadOnlySpan<byte> span, ref int position, out ulong value)
    {
        value = 0;
        for (var shift = 0; shift < 64 && position < span.Length; shift += 7)
        {
            var b = span[position++];
            value |= (ulong)(b & 0x7f) << shift;
            if (b < 0x80)
            {
                return true;
            }
        }

        return false;
    }
}
