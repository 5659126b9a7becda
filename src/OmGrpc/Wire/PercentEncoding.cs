using System.Buffers;
using System.Globalization;
using System.Text;

namespace OpenMosix.Grpc.Wire;

/// <summary>The grpc-message trailer: UTF-8 with everything but printable ASCII, and the percent sign itself, as %XX.</summary>
internal static class PercentEncoding
{
    public static string Encode(string text)
    {
        var encoded = new StringBuilder(text.Length);
        foreach (var b in Encoding.UTF8.GetBytes(text))
        {
            if (b is >= 0x20 and <= 0x7e and not (byte)'%')
            {
                encoded.Append((char)b);
            }
            else
            {
                encoded.Append(CultureInfo.InvariantCulture, $"%{b:X2}");
            }
        }

        return encoded.ToString();
    }

    /// <summary>Never fails: what is no escape stays as it is, as the specification demands.</summary>
    public static string Decode(string text)
    {
        var bytes = new ArrayBufferWriter<byte>(text.Length + 1);
        for (var i = 0; i < text.Length; i++)
        {
            if (text[i] == '%' && i + 2 < text.Length
                && byte.TryParse(text.AsSpan(i + 1, 2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var escaped))
            {
                bytes.Write([escaped]);
                i += 2;
            }
            else
            {
                bytes.Write(Encoding.UTF8.GetBytes(text, i, 1));
            }
        }

        return Encoding.UTF8.GetString(bytes.WrittenSpan);
    }
}
