using OpenMosix.Grpc.Tests.Protocol;

namespace OpenMosix.Grpc.Tests;

public sealed class CallTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Unary_OverTls_KnowsThePeer()
    {
        await using var server = await TestServer.StartAsync();
        using var channel = server.Channel("pc7");
        var reply = await channel.CallAsync(EchoHandlers.Say, new EchoRequest { Text = "hello" }, cancellationToken: Token);
        Assert.Equal(("hello", "pc7", uint.MaxValue), (reply.Text, reply.Peer, reply.Uid));
    }

    [Fact]
    public async Task Unary_OverUnixSocket_KnowsTheUser()
    {
        await using var server = await TestServer.StartAsync();
        using var channel = server.UnixChannel();
        var reply = await channel.CallAsync(EchoHandlers.Say, new EchoRequest { Text = "hello" }, cancellationToken: Token);
        Assert.Equal("", reply.Peer);
        Assert.NotEqual(uint.MaxValue, reply.Uid);
    }

    [Fact]
    public async Task Collect_ManyRequests_OneAnswer()
    {
        await using var server = await TestServer.StartAsync();
        using var channel = server.Channel();
        var reply = await channel.CallAsync(EchoHandlers.Collect, Requests("a", "b", "c"), cancellationToken: Token);
        Assert.Equal("a,b,c", reply.Text);
    }

    [Fact]
    public async Task Repeat_OneRequest_ManyAnswersInOrder()
    {
        await using var server = await TestServer.StartAsync();
        using var channel = server.Channel();
        var texts = new List<string>();
        await foreach (var reply in channel.StreamAsync(EchoHandlers.Repeat, new EchoRequest { Text = "x", Times = 1000 }, cancellationToken: Token))
        {
            texts.Add(reply.Text);
        }

        Assert.Equal(Enumerable.Range(0, 1000).Select(i => $"x {i}"), texts);
    }

    [Fact]
    public async Task Talk_EachRequestSentAfterTheLastAnswer_BothWaysAtOnce()
    {
        await using var server = await TestServer.StartAsync();
        using var channel = server.Channel();
        var next = System.Threading.Channels.Channel.CreateUnbounded<EchoRequest>();
        next.Writer.TryWrite(new EchoRequest { Text = "0" });
        var count = 0;
        await foreach (var reply in channel.StreamAsync(EchoHandlers.Talk, next.Reader.ReadAllAsync(Token), cancellationToken: Token))
        {
            Assert.Equal($"{count}", reply.Text);
            if (++count == 5)
            {
                next.Writer.Complete();
            }
            else
            {
                next.Writer.TryWrite(new EchoRequest { Text = $"{count}" });
            }
        }

        Assert.Equal(5, count);
    }

    [Fact]
    public async Task Bytes_FramesOfAllSizes_ArriveWholeAndInOrder()
    {
        await using var server = await TestServer.StartAsync();
        using var channel = server.Channel();
        await using var frames = await channel.OpenRawAsync(EchoHandlers.Bytes, new EchoRequest { Times = 100 }, cancellationToken: Token);
        var (offset, count) = (0, 0);
        while (await frames.ReadAsync() is { } message)
        {
            Assert.True(message.TrySplit(15, out var header, out var data));
            var block = Block.Parser.ParseFrom(header.Span);
            Assert.Equal(((ulong)offset, (uint)data.Length), (block.Offset, block.Sum));
            for (var i = 0; i < data.Length; i++)
            {
                Assert.Equal(EchoHandlers.Pattern(offset + i), data.Span[i]);
            }

            offset += data.Length;
            count++;
        }

        Assert.Equal(100, count);
    }

    [Fact]
    public async Task Bytes_ReadAsOrdinaryMessages_ParseTheSame()
    {
        await using var server = await TestServer.StartAsync();
        using var channel = server.UnixChannel();
        var offset = 0UL;
        await foreach (var block in channel.StreamAsync(EchoHandlers.Bytes, new EchoRequest { Times = 40 }, cancellationToken: Token))
        {
            Assert.Equal((offset, (uint)block.Data.Length), (block.Offset, block.Sum));
            offset += block.Sum;
        }

        Assert.NotEqual(0UL, offset);
    }

    internal static async IAsyncEnumerable<EchoRequest> Requests(params string[] texts)
    {
        foreach (var text in texts)
        {
            await Task.Yield();
            yield return new EchoRequest { Text = text };
        }
    }
}
