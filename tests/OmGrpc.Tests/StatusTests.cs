using OpenMosix.Grpc.Tests.Protocol;

namespace OpenMosix.Grpc.Tests;

public sealed class StatusTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Unary_HandlerChoosesAStatus_CodeDetailAndTrailersArrive()
    {
        await using var server = await TestServer.StartAsync();
        using var channel = server.Channel();
        var failure = await FailAsync(channel.CallAsync(EchoHandlers.Say, new EchoRequest { Behaviour = "fail" }, cancellationToken: Token));
        Assert.Equal(new Status(StatusCode.FailedPrecondition, "Schlüssel 100% 鍵\nweg"), failure.Status);
        Assert.Equal("asked", failure.Trailers.Get("why"));
    }

    [Fact]
    public async Task Repeat_FailureAfterMessages_MessagesArriveThenTheStatus()
    {
        await using var server = await TestServer.StartAsync();
        using var channel = server.Channel();
        var count = 0;
        var failure = await FailAsync(Read());
        Assert.Equal((StatusCode.FailedPrecondition, 3, "asked"), (failure.Code, count, failure.Trailers.Get("why")));

        async Task Read()
        {
            await foreach (var _ in channel.StreamAsync(EchoHandlers.Repeat, new EchoRequest { Times = 3, Behaviour = "fail" }, cancellationToken: Token))
            {
                count++;
            }
        }
    }

    [Fact]
    public async Task Unary_HandlerThrows_UnknownWithoutItsText()
    {
        await using var server = await TestServer.StartAsync();
        using var channel = server.Channel();
        var failure = await FailAsync(channel.CallAsync(EchoHandlers.Say, new EchoRequest { Behaviour = "throw" }, cancellationToken: Token));
        Assert.Equal(StatusCode.Unknown, failure.Code);
        Assert.DoesNotContain("secret", failure.Status.Detail, StringComparison.Ordinal);
        Assert.Contains(server.Log.Lines, line => line.Contains("Handler of /openmosix.test.Echo/Say failed secret", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Unary_MethodWithoutHandler_Unimplemented()
    {
        await using var server = await TestServer.StartAsync();
        using var channel = server.Channel();
        var failure = await FailAsync(channel.CallAsync(EchoHandlers.Unbound, new EchoRequest(), cancellationToken: Token));
        Assert.Equal(StatusCode.Unimplemented, failure.Code);
    }

    [Theory]
    [InlineData(900, true)]
    [InlineData(1024, false)]
    public async Task Unary_RequestAtTheCeiling_AcceptedOrResourceExhausted(int payloadBytes, bool accepted)
    {
        await using var server = await TestServer.StartAsync(maxReceiveBytes: 1000);
        using var channel = server.Channel();
        var request = new EchoRequest { Payload = Google.Protobuf.ByteString.CopyFrom(new byte[payloadBytes]) };
        var call = channel.CallAsync(EchoHandlers.Say, request, cancellationToken: Token);
        if (accepted)
        {
            await call;
            return;
        }

        Assert.Equal(StatusCode.ResourceExhausted, (await FailAsync(call)).Code);
    }

    [Fact]
    public async Task Unary_LargeMessages_ArriveWhole()
    {
        await using var server = await TestServer.StartAsync();
        using var channel = server.Channel();
        var text = new string('x', 5_000_000);
        Assert.Equal(text, (await channel.CallAsync(EchoHandlers.Say, new EchoRequest { Text = text }, cancellationToken: Token)).Text);
    }

    [Fact]
    public void Metadata_WhatWouldBreakTheHeaders_IsRefused()
    {
        var headers = new Metadata { { "hello", "world" } };
        headers.Add("raw-bin", [1, 2, 250]);
        Assert.Equal([1, 2, 250], headers.GetBytes("RAW-bin"));
        Assert.Throws<ArgumentException>(() => headers.Add("raw", [1]));
        Assert.Throws<ArgumentException>(() => headers.Add("bad name", "x"));
        Assert.Throws<ArgumentException>(() => headers.Add("line", "x\r\ny: z"));
    }

    [Fact]
    public void GrpcMethod_WrongTypesOrName_IsSaid()
    {
        Assert.Contains("has no method 'Shout'", Assert.Throws<ArgumentException>(() => new GrpcMethod<EchoRequest, EchoReply>(EchoHandlers.Service, "Shout")).Message, StringComparison.Ordinal);
        Assert.Contains("EchoRequest → Block, not", Assert.Throws<ArgumentException>(() => new GrpcMethod<EchoRequest, EchoReply>(EchoHandlers.Service, "Bytes")).Message, StringComparison.Ordinal);
    }

    internal static Task<RpcException> FailAsync(Task call) => Assert.ThrowsAsync<RpcException>(() => call);
}
