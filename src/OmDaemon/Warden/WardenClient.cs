// Keeps the connection to the node's warden: connects, reads until it ends, connects again when the socket is back. The warden may be
// replaced at any time; what it holds is then learnt anew from its status.
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

    private readonly Channel<WardenHappening> _happenings = Channel.CreateUnbounded<WardenHappening>(new UnboundedChannelOptions { SingleReader = true });
    private volatile WardenConnection? _connection;

    public bool IsConnected => _connection is not null;

    public ChannelReader<WardenHappening> Happenings => _happenings.Reader;

    public Task<WardenAnswer> AskAsync(ToWarden request, CancellationToken cancellationToken) =>
        _connection is { } connection
            ? connection.AskAsync(request, cancellationToken)
            : Task.FromResult<WardenAnswer>(new WardenAnswer.Failed(new Failure
            {
                Message = $"omwarden does not answer on {options.WardenSocket}; is it running?",
            }));

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var arrival = new SocketArrival(options.WardenSocket);
        TimeSpan pause = FirstPause;
        bool missed = false;
        while (!stoppingToken.IsCancellationRequested)
        {
            if (await ConnectAsync(stoppingToken).ConfigureAwait(false) is not { } stream)
            {
                if (!missed)
                    LogMissing(options.WardenSocket);
                missed = true;
                await arrival.WaitAsync(pause, time, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                pause = Longer(pause);
                continue;
            }
            missed = false;
            long since = time.GetTimestamp();
            string why = await ServeAsync(stream, stoppingToken).ConfigureAwait(false);
            if (stoppingToken.IsCancellationRequested)
                return;
            LogLost(why);
            // A warden that talks nonsense at once must not make us spin: the pause grows until a connection has lived for a while.
            pause = time.GetElapsedTime(since) > LongestPause ? FirstPause : Longer(pause);
            await arrival.WaitAsync(pause, time, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private static TimeSpan Longer(TimeSpan pause) => pause * 2 < LongestPause ? pause * 2 : LongestPause;

    private async Task<string> ServeAsync(NetworkStream stream, CancellationToken stoppingToken)
    {
        var connection = new WardenConnection(stream, _happenings.Writer);
        await using (connection.ConfigureAwait(false))
        {
            _connection = connection;
            LogConnected(options.WardenSocket);
            _happenings.Writer.TryWrite(new WardenHappening.Connected());
            string why = await connection.ReadAsync(stoppingToken).ConfigureAwait(false);
            _connection = null;
            _happenings.Writer.TryWrite(new WardenHappening.Lost(why));
            return why;
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
