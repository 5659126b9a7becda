using OpenMosix.Grpc.Tests.Protocol;

namespace OpenMosix.Grpc.Tests;

public sealed class CancellationTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Unary_DeadlinePasses_CallerAndHandlerAreTold()
    {
        await using var server = await TestServer.StartAsync();
        using var channel = server.Channel();
        var call = channel.CallAsync(EchoHandlers.Say, new EchoRequest { Behaviour = "wait" }, TimeSpan.FromSeconds(3), Token);
        // Who has not begun when the deadline passes is told nothing, and has nothing to stop.
        Assert.Equal(server.Echo.Waiting.Task, await Task.WhenAny(call, server.Echo.Waiting.Task));
        Assert.Equal(StatusCode.DeadlineExceeded, (await StatusTests.FailAsync(call)).Code);
        await server.Echo.Stopped.Task.WaitAsync(Token);
    }

    [Fact]
    public async Task Unary_CallerCancels_HandlerIsTold()
    {
        await using var server = await TestServer.StartAsync();
        using var channel = server.Channel();
        using var cancel = CancellationTokenSource.CreateLinkedTokenSource(Token);
        var call = channel.CallAsync(EchoHandlers.Say, new EchoRequest { Behaviour = "wait" }, cancellationToken: cancel.Token);
        await server.Echo.Waiting.Task.WaitAsync(Token);
        await cancel.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => call);
        await server.Echo.Stopped.Task.WaitAsync(Token);
    }

    [Fact]
    public async Task Repeat_ReaderLeavesEarly_HandlerIsTold()
    {
        await using var server = await TestServer.StartAsync();
        using var channel = server.UnixChannel();
        await foreach (var _ in channel.StreamAsync(EchoHandlers.Repeat, new EchoRequest { Times = 1, Behaviour = "wait" }, cancellationToken: Token))
        {
            break;
        }

        await server.Echo.Stopped.Task.WaitAsync(Token);
    }

    [Fact]
    public async Task Bytes_ReaderLeavesEarly_ServerServesOn()
    {
        await using var server = await TestServer.StartAsync();
        using var channel = server.Channel();
        await using (var frames = await channel.OpenRawAsync(EchoHandlers.Bytes, new EchoRequest { Times = 100_000 }, cancellationToken: Token))
        {
            Assert.NotNull(await frames.ReadAsync());
        }

        Assert.Equal("on", (await channel.CallAsync(EchoHandlers.Say, new EchoRequest { Text = "on" }, cancellationToken: Token)).Text);
    }

    [Fact]
    public async Task Unary_ServerStops_Unavailable()
    {
        await using var server = await TestServer.StartAsync();
        using var channel = server.Channel();
        var call = channel.CallAsync(EchoHandlers.Say, new EchoRequest { Behaviour = "wait" }, cancellationToken: Token);
        await server.Echo.Waiting.Task.WaitAsync(Token);
        await server.StopAsync();
        Assert.Equal(StatusCode.Unavailable, (await StatusTests.FailAsync(call)).Code);
        Assert.Equal(StatusCode.Unavailable, (await StatusTests.FailAsync(channel.CallAsync(EchoHandlers.Say, new EchoRequest(), cancellationToken: Token))).Code);
    }

    [Fact]
    public async Task Unary_SocketIsGone_Unavailable()
    {
        using var channel = GrpcChannel.ForUnixSocket("/nonexistent/socket");
        Assert.Equal(StatusCode.Unavailable, (await StatusTests.FailAsync(channel.CallAsync(EchoHandlers.Say, new EchoRequest(), cancellationToken: Token))).Code);
    }
}
