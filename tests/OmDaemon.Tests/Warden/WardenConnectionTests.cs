using System.Buffers.Binary;
using System.Net.Sockets;
using System.Threading.Channels;
using Google.Protobuf;
using OpenMosix.Daemon.Warden;
using OpenMosix.Protocol.V1;

namespace OpenMosix.Daemon.Tests.Warden;

public sealed class WardenConnectionTests : IAsyncDisposable
{
    private readonly Channel<WardenHappening> _events = Channel.CreateUnbounded<WardenHappening>();
    private readonly Socket _warden;
    private readonly WardenConnection _connection;
    private readonly Task<string> _reading;

    public WardenConnectionTests()
    {
        string path = Path.Combine(Path.GetTempPath(), $"omwarden-{Guid.NewGuid():N}.sock");
        using var listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        listener.Bind(new UnixDomainSocketEndPoint(path));
        listener.Listen();
        var ours = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        ours.Connect(new UnixDomainSocketEndPoint(path));
        _warden = listener.Accept();
        File.Delete(path);
        _connection = new WardenConnection(new NetworkStream(ours, ownsSocket: true), _events.Writer);
        _reading = _connection.ReadAsync(CancellationToken.None);
    }

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask DisposeAsync()
    {
        _warden.Dispose();
        await _connection.DisposeAsync();
        await _reading;
    }

    [Fact]
    public async Task Ask_RepliesInAnotherOrder_EachGetsItsOwn()
    {
        Task<WardenAnswer> thaw = _connection.AskAsync(new ToWarden { Thaw = new WardenThaw { Key = 1 } }, Token);
        ToWarden first = await ReceiveAsync();
        Task<WardenAnswer> expect = _connection.AskAsync(new ToWarden { Expect = new WardenExpect { Key = 2 } }, Token);
        ToWarden second = await ReceiveAsync();

        await SendAsync(new FromWarden { Id = second.Id, Expected = new WardenExpected { Claimed = true } });
        await SendAsync(new FromWarden { Id = first.Id, Failure = new Failure { Message = "no" } });

        Assert.True(Assert.IsType<WardenAnswer.Replied>(await expect).Reply.Expected.Claimed);
        Assert.Equal("no", Assert.IsType<WardenAnswer.Failed>(await thaw).Failure.Message);
        Assert.Equal(2UL, second.Expect.Key);
    }

    [Fact]
    public async Task Ask_ConnectionEndsBeforeTheReply_IsUnknown()
    {
        Task<WardenAnswer> asked = _connection.AskAsync(new ToWarden { Run = new WardenRun() }, Token);
        await ReceiveAsync();
        _warden.Shutdown(SocketShutdown.Both);

        Assert.IsType<WardenAnswer.Unknown>(await asked);
        Assert.IsType<WardenAnswer.Failed>(await _connection.AskAsync(new ToWarden { Run = new WardenRun() }, Token));
    }

    [Fact]
    public async Task Ask_DeadlinePasses_IsUnknownAndTheLateReplyHarmsNobody()
    {
        using var deadline = new CancellationTokenSource();
        Task<WardenAnswer> asked = _connection.AskAsync(new ToWarden { Run = new WardenRun() }, deadline.Token);
        ToWarden request = await ReceiveAsync();
        await deadline.CancelAsync();
        Assert.IsType<WardenAnswer.Unknown>(await asked);

        await SendAsync(new FromWarden { Id = request.Id, Done = new WardenDone() });
        Task<WardenAnswer> next = _connection.AskAsync(new ToWarden { Status = new WardenStatus() }, Token);
        await SendAsync(new FromWarden { Id = (await ReceiveAsync()).Id, Status = new WardenStatusReply { LinkPort = 7 } });

        Assert.Equal(7u, Assert.IsType<WardenAnswer.Replied>(await next).Reply.Status.LinkPort);
    }

    [Fact]
    public async Task Read_Events_ComeInOrder()
    {
        for (ulong key = 1; key <= 100; key++)
            await SendAsync(new FromWarden { BringHome = new BringHome { Key = key } });

        for (ulong key = 1; key <= 100; key++)
            Assert.Equal(key, Assert.IsType<WardenHappening.Said>(await _events.Reader.ReadAsync(Token)).Message.BringHome.Key);
    }

    [Fact]
    public async Task Read_FrameInPieces_IsPutTogether()
    {
        byte[] frame = Frame(new FromWarden { BringHome = new BringHome { Key = 9, Reason = "fork" } });
        foreach (byte one in frame)
            await _warden.SendAsync(new[] { one }, Token);

        Assert.Equal("fork", Assert.IsType<WardenHappening.Said>(await _events.Reader.ReadAsync(Token)).Message.BringHome.Reason);
    }

    public static TheoryData<string, byte[]> Nonsense() => new()
    {
        { "ceiling", [0xff, 0xff, 0xff, 0xff] },
        { "ceiling", [0x01, 0x00, 0x00, 0x04] },
        { "", [0x03, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff] }, // not a message
        { "never made", Frame(new FromWarden { Id = 77, Done = new WardenDone() }) },
        { "says nothing", Frame(new FromWarden()) },
    };

    [Theory]
    [MemberData(nameof(Nonsense))]
    public async Task Read_Nonsense_EndsTheConnectionAndSaysWhy(string why, byte[] bytes)
    {
        await _warden.SendAsync(bytes, Token);

        Assert.Contains(why, await _reading.WaitAsync(Token), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Read_EndWithinAFrame_SaysSo()
    {
        await _warden.SendAsync(Frame(new FromWarden { BringHome = new BringHome { Key = 9 } })[..^1], Token);
        _warden.Shutdown(SocketShutdown.Both);

        Assert.Contains("within a frame", await _reading, StringComparison.Ordinal);
    }

    private static byte[] Frame(FromWarden message)
    {
        byte[] body = message.ToByteArray();
        byte[] frame = new byte[4 + body.Length];
        BinaryPrimitives.WriteInt32LittleEndian(frame, body.Length);
        body.CopyTo(frame, 4);
        return frame;
    }

    private async Task SendAsync(FromWarden message) => await _warden.SendAsync(Frame(message), Token);

    private async Task<ToWarden> ReceiveAsync()
    {
        byte[] header = await FillAsync(4);
        return ToWarden.Parser.ParseFrom(await FillAsync(BinaryPrimitives.ReadInt32LittleEndian(header)));
    }

    private async Task<byte[]> FillAsync(int count)
    {
        byte[] bytes = new byte[count];
        for (int have = 0; have < count;)
        {
            int received = await _warden.ReceiveAsync(bytes.AsMemory(have), Token);
            Assert.NotEqual(0, received);
            have += received;
        }
        return bytes;
    }
}
