using System.Text;
using OpenMosix.Checkpoint.Pages;

namespace OpenMosix.Checkpoint.Tests.Pages;

public sealed class Crc32CTests
{
    [Fact]
    public void Compute_OfTheCheckString_IsTheKnownValue() =>
        Assert.Equal(0xe306_9283u, Crc32C.Compute(Encoding.ASCII.GetBytes("123456789")));

    [Fact]
    public void Compute_OfAnyLength_EqualsTheBytewiseOne()
    {
        var data = new byte[300_000];
        new Random(1).NextBytes(data);
        foreach (var length in new[] { 0, 1, 7, 8, 9, 767, 768, 769, 4096, 12_287, 12_288, 12_289, 65_536, 262_144, 300_000 })
        {
            Assert.Equal(~Crc32C.Software(~0u, data.AsSpan(0, length)), Crc32C.Compute(data.AsSpan(0, length)));
        }
    }

    [Fact]
    public void Append_OfTheSecondPart_EqualsTheWhole()
    {
        var data = new byte[100_000];
        new Random(2).NextBytes(data);
        var whole = Crc32C.Compute(data);
        foreach (var cut in new[] { 0, 1, 4095, 50_000, 100_000 })
        {
            Assert.Equal(whole, Crc32C.Append(Crc32C.Compute(data.AsSpan(0, cut)), data.AsSpan(cut)));
        }
    }
}
