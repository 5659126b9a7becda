using System.Globalization;

namespace OpenMosix.Checkpoint.Tracing;

/// <summary>An address in another process. Never to be followed here.</summary>
public readonly record struct RemoteAddress(ulong Value) : IComparable<RemoteAddress>
{
    public static RemoteAddress operator +(RemoteAddress address, ulong bytes) => new(address.Value + bytes);

    public static RemoteAddress operator -(RemoteAddress address, ulong bytes) => new(address.Value - bytes);

    public static bool operator <(RemoteAddress left, RemoteAddress right) => left.Value < right.Value;

    public static bool operator >(RemoteAddress left, RemoteAddress right) => left.Value > right.Value;

    public static bool operator <=(RemoteAddress left, RemoteAddress right) => left.Value <= right.Value;

    public static bool operator >=(RemoteAddress left, RemoteAddress right) => left.Value >= right.Value;

    public int CompareTo(RemoteAddress other) => Value.CompareTo(other.Value);

    public override string ToString() => "0x" + Value.ToString("x", CultureInfo.InvariantCulture);
}
