// Keeps the connection to the node's warden: connects, reads until it ends, connects again when the socket is back. The warden may be
// replaced at any time; what it holds is then learnt anew from its status, and what is asked in between waits for the next one.
using System.Net.Sockets;
using System.Threading.Channels;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using OpenMosix.Daemon.Hosting;
using OpenMosix.Protocol.V1;

namespace OpenMosix.Daemon.Warden;

internal sealed partial class WardenClient(DaemonOptions options, TimeProvider time, ILogger<WardenClient> log) : BackgroundService, IWarden
{
    private static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(20);
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(5);

    /// <summary>A warden that is replaced is back in less. After that there is none, and who asks is told at once.</summary>
    private static readonly TimeSpan ReplacedWithin = TimeSpan.FromSeconds(3);

    private readonly Channel<WardenHappening> _happenings = Channel.CreateUnbounded<WardenHappening>(new UnboundedChannelOptions { SingleReader = true });
    private volatile Task<WardenConnection?> _connection = Task.FromResult<WardenConnection?>(null);

    public bool IsConnected => _connection is { IsCompleted: true, Result: not null };

    public ChannelReader<WardenHappening> Happenings => _happenings.Reader;

    public async Task<WardenAnswer> AskAsync(ToWarden request, CancellationToken cancellationToken)
    {
        Task<WardenConnection?> connecting = _connection;
        await ((Task)connecting).WaitAsync(cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (connecting is { IsCompleted: true, Result: { } connection })
            return await connection.AskAsync(request, cancellationToken).ConfigureAwait(false);
        return new WardenAnswer.Failed(new Failure { Message = $"omwarden does not answer on {options.WardenSocket}; is it running?" });
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var arrival = new SocketArrival(options.WardenSocket);
        TimeSpan pause = FirstPause;
        bool missed = false;
        TaskCompletionSource<WardenConnection?>? next = null;
        while (!stoppingToken.IsCancellationRequested)
        {
            if (await ConnectAsync(stoppingToken).ConfigureAwait(false) is not { } stream)
            {
                if (!missed)
                    LogMissing(options.WardenSocket);
                missed = true;
                pause = await arrival.WaitAsync(pause, time, stoppingToken).ConfigureAwait(false) ? FirstPause : Longer(pause);
                continue;
            }
            missed = false;
            long since = time.GetTimestamp();
            string why = await ServeAsync(stream, next, stoppingToken).ConfigureAwait(false);
            if (stoppingToken.IsCancellationRequested)
                return;
            next = AwaitNext(stoppingToken);
            _happenings.Writer.TryWrite(new WardenHappening.Lost(why));
            LogLost(why);
            // A warden that talks nonsense at once must not make us spin: the pause grows until a connection has lived for a while.
            pause = time.GetElapsedTime(since) > LongestPause ? FirstPause : Longer(pause);
            await arrival.WaitAsync(pause, time, stoppingToken).ConfigureAwait(false);
        }
    }

    private TaskCompletionSource<WardenConnection?> AwaitNext(CancellationToken stoppingToken)
    {
        var next = new TaskCompletionSource<WardenConnection?>(TaskCreationOptions.RunContinuationsAsynchronously);
        _connection = next.Task;
        _ = GiveUpAsync(next, stoppingToken);
        return next;
    }

    private async Task GiveUpAsync(TaskCompletionSource<WardenConnection?> next, CancellationToken stoppingToken)
    {
        await Task.Delay(ReplacedWithin, time, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        next.TrySetResult(null);
    }

    private static TimeSpan Longer(TimeSpan pause) => pause * 2 < LongestPause ? pause * 2 : LongestPause;

    private async Task<string> ServeAsync(NetworkStream stream, TaskCompletionSource<WardenConnection?>? awaited, CancellationToken stoppingToken)
    {
        var connection = new WardenConnection(stream, _happenings.Writer);
        await using (connection.ConfigureAwait(false))
        {
            _connection = Task.FromResult<WardenConnection?>(connection);
            LogConnected(options.WardenSocket);
            _happenings.Writer.TryWrite(new WardenHappening.Connected());
            awaited?.TrySetResult(connection);
            return await connection.ReadAsync(stoppingToken).ConfigureAwait(false);
        }
    }

    private async Task<NetworkStream?> ConnectAsync(CancellationToken stoppingToken)
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            await socket.ConnectAsync(new UnixDomainSocketEndPoint(options.WardenSocket), stoppingToken).ConfigureAwait(false);
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch (Exception absent) when (absent is SocketException or OperationCanceledException)
        {
            socket.Dispose();
            return null;
        }
    }

    [LoggerMessage(400, LogLevel.Information, "connected to the warden at {Socket}")]
    private partial void LogConnected(string socket);

    [LoggerMessage(401, LogLevel.Warning, "no warden at {Socket}: nothing can move until it is there")]
    private partial void LogMissing(string socket);

    [LoggerMessage(402, LogLevel.Warning, "lost the warden: {Why}")]
    private partial void LogLost(string why);
}
