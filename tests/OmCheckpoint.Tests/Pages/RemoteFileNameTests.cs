using OpenMosix.Checkpoint.Pages;
using OpenMosix.Protocol.V1;

namespace OpenMosix.Checkpoint.Tests.Pages;

public sealed class RemoteFileNameTests
{
    [Theory]
    [InlineData("/usr/lib/libc.so.6", false)]
    [InlineData("/dev/zero (deleted)", true)]
    [InlineData("/memfd:with:colons (deleted)", true)]
    [InlineData("/memfd:with:colons (deleted)", false)]
    public void TryDecode_OfWhatWasEncoded_IsTheSameFile(string path, bool memory)
    {
        var file = new MappedFile { Path = path, Device = 0xfd01, Inode = ulong.MaxValue, SizeBytes = 1UL << 40, ModifiedNs = memory ? 0 : 1_234_567_890, Memory = memory };
        Assert.True(RemoteFileName.TryDecode($"/memfd:{RemoteFileName.Encode(file)} (deleted)", out var decoded));
        Assert.Equal(file, decoded);
    }

    [Fact]
    public void Encode_OfALongPath_KeepsItsEndAndFitsAMemoryFile()
    {
        var file = new MappedFile { Path = new string('ä', 300) + "/end", Device = ulong.MaxValue, Inode = ulong.MaxValue, SizeBytes = ulong.MaxValue, ModifiedNs = -1, Memory = true };
        var name = RemoteFileName.Encode(file);
        Assert.True(System.Text.Encoding.UTF8.GetByteCount(name) <= 249);
        Assert.EndsWith("/end", name, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("/memfd:om-arena (deleted)")]
    [InlineData("/memfd:om-memory:1:2:3 (deleted)")]
    [InlineData("/memfd:om-memory:x:2:3:4:/path (deleted)")]
    [InlineData("/tmp/om:1:2:3:4:/path")]
    [InlineData("")]
    public void TryDecode_OfAnythingElse_IsNone(string name) => Assert.False(RemoteFileName.TryDecode(name, out _));
}
