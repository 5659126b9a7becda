using Google.Protobuf;
using OpenMosix.Checkpoint.Pages;
using OpenMosix.Protocol.V1;

namespace OpenMosix.Checkpoint.Tests.Pages;

public sealed class FileContentsTests : IDisposable
{
    private readonly string _path = Path.Combine(Directory.CreateTempSubdirectory("openmosix-contents-").FullName, "file");

    public void Dispose() => Directory.Delete(Path.GetDirectoryName(_path)!, recursive: true);

    [Fact]
    public void OpenSame_OfTheSameContent_OpensIt()
    {
        File.WriteAllText(_path, "what is in it");

        using var file = FileContents.OpenSame(Wanted("what is in it"));

        Assert.NotNull(file);
    }

    [Theory]
    [InlineData("what was in it")] // as long
    [InlineData("what is in it, and more")]
    [InlineData("")]
    public void OpenSame_OfAnotherContent_DoesNot(string content)
    {
        File.WriteAllText(_path, content);

        Assert.Null(FileContents.OpenSame(Wanted("what is in it!")));
    }

    [Fact]
    public void OpenSame_WithoutAHash_DoesNot()
    {
        File.WriteAllText(_path, "what is in it");
        var wanted = Wanted("what is in it");
        wanted.ContentSha256 = ByteString.Empty;

        Assert.Null(FileContents.OpenSame(wanted));
    }

    [Fact]
    public void OpenSame_OfADirectory_DoesNot() =>
        Assert.Null(FileContents.OpenSame(new MappedFile { Path = Path.GetDirectoryName(_path), ContentSha256 = Hash("") }));

    [Fact]
    public void IsStill_AfterItChanged_IsFalse()
    {
        File.WriteAllText(_path, "what is in it");
        var wanted = Wanted("what is in it");
        using var file = FileContents.OpenSame(wanted);

        File.WriteAllText(_path, "what's in it!");

        Assert.False(FileContents.IsStill(file!, wanted));
    }

    [Fact]
    public void Warm_OfAProcessThatIsGone_DoesNothing() => FileContents.Warm(int.MaxValue);

    [Fact]
    public void CarryOver_OfTheSameFile_KeepsTheHash()
    {
        var known = new MappedFile { Path = "/lib/a", Device = 1, Inode = 2, SizeBytes = 3, ModifiedNs = 4, ContentSha256 = Hash("a") };
        var same = new MappedFile { Path = "/lib/a", Device = 1, Inode = 2, SizeBytes = 3, ModifiedNs = 4 };
        var written = new MappedFile { Path = "/lib/a", Device = 1, Inode = 2, SizeBytes = 3, ModifiedNs = 5 };

        FileContents.CarryOver(new ProcessImage { Files = { known } }, new ProcessImage { Files = { same, written } });

        Assert.Equal(known.ContentSha256, same.ContentSha256);
        Assert.True(written.ContentSha256.IsEmpty);
    }

    private MappedFile Wanted(string content) => new() { Path = _path, SizeBytes = (ulong)content.Length, ContentSha256 = Hash(content) };

    private static ByteString Hash(string content) => ByteString.CopyFrom(System.Security.Cryptography.SHA256.HashData(System.Text.Encoding.UTF8.GetBytes(content)));
}
