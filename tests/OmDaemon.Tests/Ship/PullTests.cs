using OpenMosix.Daemon.Ship;
using OpenMosix.Grpc;
using OpenMosix.Protocol.Errors;
using OpenMosix.Protocol.V1;

namespace OpenMosix.Daemon.Tests.Ship;

/// <summary>From the memory of one process into that of another, over mutual TLS.</summary>
public sealed class PullTests
{
    private const ulong Key = 0xfeed;
    private const ulong Page = 4096;
    private const ulong MemoryBytes = 3000 * Page;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("random", 1, 0)]
    [InlineData("mixed", 1, 375 + 400 - 50)]
    [InlineData("mixed", 3, 375 + 400 - 50)]
    public async Task Pull_Memory_ArrivesIdenticalAndZerosAreNotSent(string mode, int streams, int zeroPages)
    {
        using MemoryChild source = MemoryChild.Start(MemoryBytes, mode);
        using MemoryChild target = MemoryChild.Start(MemoryBytes, "blank");
        await using SourceNode node = await SourceNode.StartAsync();
        ProcessImage image = Memory(MemoryBytes);
        Assert.True(node.Pages.Register(Key, 1, image, source.Pid, "pc2").Ok);
        using GrpcChannel channel = node.ChannelOf("pc2");

        Outcome<PullResult> outcome = await PagePuller.PullAsync(channel, Key, 1, image, new WardenRestoring { MemoryPid = target.Pid }, streams, Token);

        Assert.True(outcome.Ok, outcome.ToString());
        Assert.Equal(((ulong)zeroPages * Page, MemoryBytes), (outcome.Value.ZeroBytes, outcome.Value.Bytes + outcome.Value.ZeroBytes));
        Assert.Equal(source.Hash(MemoryChild.Address, MemoryBytes), target.Hash(MemoryChild.Address, MemoryBytes));
        await node.Pages.ReleaseAsync(Key);
    }

    [Fact]
    public async Task Pull_SeparateExtents_OnlyThese()
    {
        using MemoryChild source = MemoryChild.Start(MemoryBytes, "random");
        using MemoryChild target = MemoryChild.Start(MemoryBytes, "blank");
        await using SourceNode node = await SourceNode.StartAsync();
        var image = new ProcessImage();
        for (var page = 0UL; page < 1000; page += 10)
            image.Extents.Add(new Extent { Address = MemoryChild.Address + (page * Page), Bytes = 3 * Page });
        Assert.True(node.Pages.Register(Key, 1, image, source.Pid, "pc2").Ok);
        using GrpcChannel channel = node.ChannelOf("pc2");
        var untouched = target.Hash(MemoryChild.Address + (3 * Page), 7 * Page);

        Outcome<PullResult> outcome = await PagePuller.PullAsync(channel, Key, 1, image, new WardenRestoring { MemoryPid = target.Pid }, Token);

        Assert.Equal(300 * Page, outcome.Value.Bytes);
        Assert.Equal(source.Hash(MemoryChild.Address + (990 * Page), 3 * Page), target.Hash(MemoryChild.Address + (990 * Page), 3 * Page));
        Assert.Equal(untouched, target.Hash(MemoryChild.Address + (3 * Page), 7 * Page));
        await node.Pages.ReleaseAsync(Key);
    }

    [Theory]
    [InlineData(false)] // its pages are sent
    [InlineData(true)]  // the target has the same file
    public async Task Pull_MappedFile_WholeWithZerosPastItsEndAndPrivateZerosOverIt(bool here)
    {
        var content = new byte[100_000];
        new Random(7).NextBytes(content);
        content.AsSpan(40_960, 8192).Clear();
        var path = Path.GetTempFileName();
        try
        {
            await File.WriteAllBytesAsync(path, content, Token);
            var length = 25 * Page;
            using MemoryChild source = MemoryChild.Start(Page, "random", "source", path);
            using MemoryChild target = MemoryChild.Start(Page, "blank", "target", $"{length}");
            await using SourceNode node = await SourceNode.StartAsync();
            var mapped = MemoryChild.Address + Page;
            var image = new ProcessImage
            {
                Mappings = { new Mapping { Start = mapped, End = mapped + length, Kind = MappingKind.FilePrivate, File = 1, Flags = 2 } },
                Files = { new MappedFile { Path = path, Inode = here ? InodeOf(path) : 0, SizeBytes = (ulong)content.Length, Ranges = { new FileRange { Bytes = length } } } },
                Extents = { new Extent { Address = mapped + Page, Bytes = Page } },
            };
            Assert.Equal(mapped, source.FileAddress);
            Outcome registered = node.Pages.Register(Key, 1, image, source.Pid, "pc2");
            Assert.True(registered.Ok, registered.ToString());
            using GrpcChannel channel = node.ChannelOf("pc2");

            var restoring = new WardenRestoring { MemoryPid = target.Pid, FileBase = { target.FileAddress } };
            Outcome<PullResult> outcome = await PagePuller.PullAsync(channel, Key, 1, image, restoring, Token);

            Assert.True(outcome.Ok, outcome.ToString());
            var expected = new byte[(int)length];
            content.CopyTo(expected, 0);
            Assert.Equal(here, outcome.Value.Bytes < length / 2);
            Assert.Equal(Fnv(expected), target.Hash(target.FileAddress, length));
            Assert.Equal(Fnv(new byte[Page]), target.Hash(target.PrivateAddress + Page, Page));
            Assert.NotEqual(Fnv(new byte[Page]), target.Hash(target.PrivateAddress, Page));
            await node.Pages.ReleaseAsync(Key);
        }
        finally
        {
            File.Delete(path);
        }
    }

    [Fact]
    public async Task Pull_ByAnotherNodeOrEpochOrAfterRelease_GetsNothing()
    {
        using MemoryChild source = MemoryChild.Start(MemoryBytes, "random");
        await using SourceNode node = await SourceNode.StartAsync();
        ProcessImage image = Memory(MemoryBytes);
        Assert.True(node.Pages.Register(Key, 4, image, source.Pid, "pc2").Ok);
        Assert.False(node.Pages.Register(Key, 4, image, source.Pid, "pc2").Ok);
        PageSpan[] whole = [new PageSpan { Offset = MemoryChild.Address, Bytes = MemoryBytes }];
        PageSpan[] beyond = [new PageSpan { Offset = MemoryChild.Address, Bytes = MemoryBytes + Page }];
        PageSpan[] twice = [.. whole, .. whole];
        using GrpcChannel pc2 = node.ChannelOf("pc2");
        using GrpcChannel pc3 = node.ChannelOf("pc3");

        Assert.Equal(StatusCode.PermissionDenied, await StatusAsync(pc3, 4, whole));
        Assert.Equal(StatusCode.FailedPrecondition, await StatusAsync(pc2, 3, whole));
        Assert.Equal(StatusCode.OutOfRange, await StatusAsync(pc2, 4, beyond));
        Assert.Equal(StatusCode.InvalidArgument, await StatusAsync(pc2, 4, twice));
        Assert.Equal(StatusCode.OK, await StatusAsync(pc2, 4, whole));
        await node.Pages.ReleaseAsync(Key);
        Assert.Equal(StatusCode.NotFound, await StatusAsync(pc2, 4, whole));
    }

    [Fact]
    public async Task Release_WhileAPullIsBlocked_EndsIt()
    {
        var bytes = 128UL << 20;
        using MemoryChild source = MemoryChild.Start(bytes, "random");
        await using SourceNode node = await SourceNode.StartAsync();
        Assert.True(node.Pages.Register(Key, 1, Memory(bytes), source.Pid, "pc2").Ok);
        using GrpcChannel channel = node.ChannelOf("pc2");
        var request = new PullRequest { Key = Key, Epoch = 1, Spans = { new PageSpan { Offset = MemoryChild.Address, Bytes = bytes } } };
        await using FrameReader frames = await channel.OpenRawAsync(PagesMethods.Pull, request, cancellationToken: Token);
        Assert.NotNull(await frames.ReadAsync());

        await node.Pages.ReleaseAsync(Key);

        var ended = await Assert.ThrowsAsync<RpcException>(async () =>
        {
            while (await frames.ReadAsync() is not null)
            {
            }
        });
        Assert.Equal(StatusCode.Aborted, ended.Code);
    }

    [Theory]
    [InlineData(true, 1)]
    [InlineData(false, 1)]
    [InlineData(false, 3)]
    public async Task Pull_SourceOrTargetDies_FailsByName(bool sourceDies, int streams)
    {
        using MemoryChild source = MemoryChild.Start(MemoryBytes, "random");
        using MemoryChild target = MemoryChild.Start(MemoryBytes, "blank");
        await using SourceNode node = await SourceNode.StartAsync();
        ProcessImage image = Memory(MemoryBytes);
        Assert.True(node.Pages.Register(Key, 1, image, source.Pid, "pc2").Ok);
        using GrpcChannel channel = node.ChannelOf("pc2");
        (sourceDies ? source : target).Kill();

        Outcome<PullResult> outcome = await PagePuller.PullAsync(channel, Key, 1, image, new WardenRestoring { MemoryPid = target.Pid }, streams, Token);

        Assert.False(outcome.Ok);
        Assert.Equal(Stage.Ship, outcome.Failure.Stage);
        Assert.Contains(sourceDies ? "DataLoss" : "cannot be written", outcome.Failure.Message, StringComparison.Ordinal);
        await node.Pages.ReleaseAsync(Key);
    }

    private static ProcessImage Memory(ulong bytes) => new() { Extents = { new Extent { Address = MemoryChild.Address, Bytes = bytes } } };

    private static async Task<StatusCode> StatusAsync(GrpcChannel channel, uint epoch, PageSpan[] spans)
    {
        try
        {
            await foreach (PageChunk _ in channel.StreamAsync(PagesMethods.Pull, new PullRequest { Key = Key, Epoch = epoch, Spans = { spans } }, cancellationToken: Token))
            {
            }

            return StatusCode.OK;
        }
        catch (RpcException failure)
        {
            return failure.Code;
        }
    }

    private static ulong InodeOf(string path)
    {
        using var stat = System.Diagnostics.Process.Start(new System.Diagnostics.ProcessStartInfo("stat", ["-c", "%i", path]) { RedirectStandardOutput = true })!;
        return ulong.Parse(stat.StandardOutput.ReadToEnd(), System.Globalization.CultureInfo.InvariantCulture);
    }

    private static ulong Fnv(byte[] bytes)
    {
        var hash = 14695981039346656037UL;
        for (var i = 0; i < bytes.Length; i += 8)
            hash = (hash ^ BitConverter.ToUInt64(bytes, i)) * 1099511628211UL;
        return hash;
    }
}
