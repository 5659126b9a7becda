using System.Collections;

namespace OpenMosix.Grpc;

/// <summary>
/// Headers or trailers of a call, in order, names in lower case. Values of names that end with <c>-bin</c> are bytes
/// (base64 on the wire), all others printable ASCII. gRPC's own names never appear in here.
/// </summary>
public sealed class Metadata : IEnumerable<KeyValuePair<string, string>>
{
    private readonly List<KeyValuePair<string, string>> _entries = [];

    public int Count => _entries.Count;

    public void Add(string name, string value)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        foreach (var c in name)
        {
            if (!char.IsAsciiLetterOrDigit(c) && c is not ('-' or '_' or '.'))
            {
                throw new ArgumentException($"'{name}' is not a metadata name.", nameof(name));
            }
        }

        foreach (var c in value)
        {
            if (c is < ' ' or > '~')
            {
                throw new ArgumentException($"The value of '{name}' is not printable ASCII; use a name ending with -bin.", nameof(value));
            }
        }

        _entries.Add(new(name.ToLowerInvariant(), value));
    }

    public void Add(string name, ReadOnlySpan<byte> value)
    {
        if (!name.EndsWith("-bin", StringComparison.OrdinalIgnoreCase))
        {
            throw new ArgumentException($"'{name}' carries bytes, so its name must end with -bin.", nameof(name));
        }

        Add(name, Convert.ToBase64String(value).TrimEnd('='));
    }

    public string? Get(string name)
    {
        foreach (var (key, value) in _entries)
        {
            if (key.Equals(name, StringComparison.OrdinalIgnoreCase))
            {
                return value;
            }
        }

        return null;
    }

    /// <summary>The bytes of a -bin entry; null where there is none or it is no base64.</summary>
    public byte[]? GetBytes(string name)
    {
        if (Get(name) is not { } text)
        {
            return null;
        }

        var padded = text + new string('=', (4 - (text.Length % 4)) % 4);
        var bytes = new byte[padded.Length];
        return Convert.TryFromBase64String(padded, bytes, out var length) ? bytes[..length] : null;
    }

    public IEnumerator<KeyValuePair<string, string>> GetEnumerator() => _entries.GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    internal static Metadata Received(IEnumerable<KeyValuePair<string, IEnumerable<string?>>> headers)
    {
        var metadata = new Metadata();
        foreach (var (name, values) in headers)
        {
            if (IsReserved(name))
            {
                continue;
            }

            foreach (var value in values)
            {
                metadata._entries.Add(new(name.ToLowerInvariant(), value ?? ""));
            }
        }

        return metadata;
    }

    internal static bool IsReserved(string name) =>
        name.StartsWith(':') || name.StartsWith("grpc-", StringComparison.OrdinalIgnoreCase)
        || name.Equals("content-type", StringComparison.OrdinalIgnoreCase) || name.Equals("te", StringComparison.OrdinalIgnoreCase)
        || name.Equals("host", StringComparison.OrdinalIgnoreCase) || name.Equals("user-agent", StringComparison.OrdinalIgnoreCase)
        || name.Equals("content-length", StringComparison.OrdinalIgnoreCase) || name.Equals("date", StringComparison.OrdinalIgnoreCase)
        || name.Equals("server", StringComparison.OrdinalIgnoreCase);
}
