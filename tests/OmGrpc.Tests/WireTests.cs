using OpenMosix.Grpc.Wire;

namespace OpenMosix.Grpc.Tests;

public sealed class WireTests
{
    [Theory]
    [InlineData(1, "1u")]
    [InlineData(5_000_000, "5000000u")]
    [InlineData(99_999_999, "99999999u")]
    [InlineData(100_000_001, "100001m")]
    [InlineData(864_000_000_000, "864000S")]
    public void Timeout_Format_FewestDigitsRoundedUp(long microseconds, string text)
    {
        Assert.Equal(text, GrpcTimeout.Format(TimeSpan.FromMicroseconds(microseconds)));
        Assert.True(GrpcTimeout.TryParse(text, out var parsed));
        Assert.True(parsed >= TimeSpan.FromMicroseconds(microseconds));
    }

    [Theory]
    [InlineData("1n", 1)]
    [InlineData("99999999H", 3_599_999_964_000_000_000L)]
    [InlineData("2M", 1_200_000_000)]
    public void Timeout_Parse_Ticks(string text, long ticks)
    {
        Assert.True(GrpcTimeout.TryParse(text, out var parsed));
        Assert.Equal(ticks, parsed.Ticks);
    }

    [Theory]
    [InlineData("")]
    [InlineData("S")]
    [InlineData("-1S")]
    [InlineData("1")]
    [InlineData("123456789S")]
    [InlineData("1 S")]
    public void Timeout_Parse_MalformedIsRefused(string text) => Assert.False(GrpcTimeout.TryParse(text, out _));

    [Theory]
    [InlineData("plain", "plain")]
    [InlineData("100%", "100%25")]
    [InlineData("ü\n", "%C3%BC%0A")]
    public void Message_Encode_RoundTrips(string text, string encoded)
    {
        Assert.Equal(encoded, PercentEncoding.Encode(text));
        Assert.Equal(text, PercentEncoding.Decode(encoded));
    }

    [Theory]
    [InlineData("50% off %", "50% off %")]
    [InlineData("%zz%41", "%zzA")]
    [InlineData("%4", "%4")]
    public void Message_DecodeWhatIsNoEscape_StaysAsItIs(string encoded, string text) => Assert.Equal(text, PercentEncoding.Decode(encoded));

    [Fact]
    public void RawMessage_SplitMalformed_IsRefused()
    {
        byte[][] malformed =
        [
            [0x7a, 5, 1, 2],          // data longer than the message
            [0x7a, 1, 1, 0x08, 1],    // data is not the last field
            [0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f], // another field longer than the message
            [0x08],                   // a varint cut off
            [0x0b],                   // a group
        ];
        Assert.All(malformed, bytes => Assert.False(new RawMessage(bytes).TrySplit(15, out _, out _)));
        Assert.True(new RawMessage((byte[])[0x08, 1]).TrySplit(15, out var header, out var data));
        Assert.Equal((2, 0), (header.Length, data.Length));
    }
}
