// Serves omrun: one connection, one request and one reply each. The socket is made beside its place and renamed into
// it, so that omrun never meets one that is bound and not yet listening.
using System.Buffers.Binary;
using System.Net.Sockets;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using OpenMosix.Daemon.Control;
using OpenMosix.Daemon.Hosting;
using OpenMosix.Daemon.Interop;
using OpenMosix.Protocol.V1;

namespace OpenMosix.Daemon.Jobs;

internal sealed partial class RunListener(DaemonOptions options, JobRegistry jobs, IEventFeed feed, TimeProvider time, ILogger<RunListener> log) : IHostedService, IDisposable
{
    private const int Backlog = 128;
    private const int ReadPieceBytes = 64 << 10;

    private static readonly TimeSpan RequestDeadline = TimeSpan.FromSeconds(10);

    private readonly CancellationTokenSource _stopping = new();
    private Socket? _socket;
    private Task _accepting = Task.CompletedTask;

    public Task StartAsync(CancellationToken cancellationToken)
    {
        string next = options.RunSocket + "~";
        File.Delete(next);
        _socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        _socket.Bind(new UnixDomainSocketEndPoint(next));
        File.SetUnixFileMode(next, (UnixFileMode)0b110_110_110);
        _socket.Listen(Backlog);
        File.Move(next, options.RunSocket, overwrite: true);
        _accepting = AcceptAsync(_socket);
        return Task.CompletedTask;
    }

    public async Task StopAsync(CancellationToken cancellationToken)
    {
        File.Delete(options.RunSocket);
        await _stopping.CancelAsync().ConfigureAwait(false);
        _socket?.Dispose();
        await _accepting.ConfigureAwait(false);
    }

    public void Dispose()
    {
        _socket?.Dispose();
        _stopping.Dispose();
    }

    private async Task AcceptAsync(Socket listening)
    {
        try
        {
            while (true)
                _ = ServeAsync(await listening.AcceptAsync(_stopping.Token).ConfigureAwait(false));
        }
        catch (Exception stopped) when (stopped is OperationCanceledException or ObjectDisposedException or SocketException)
        {
            if (!_stopping.IsCancellationRequested)
                LogStopped(stopped);
        }
    }

    private async Task ServeAsync(Socket connection)
    {
        using (connection)
        {
            try
            {
                PeerCredentials caller = PeerCredentials.Of(connection);
                if (await ReadAsync(connection).ConfigureAwait(false) is not { } body)
                    return;
                if (RunWire.ReadRequest(body, out string why) is not { } request)
                {
                    LogNonsense(caller.Pid, caller.Uid, why);
                    return;
                }
                await connection.SendAsync(RunWire.WriteReply(Decide(caller, request, connection)), _stopping.Token).ConfigureAwait(false);
            }
            catch (Exception gone) when (gone is SocketException or OperationCanceledException)
            {
                // omrun went away or the daemon stops: what was registered ends by its pidfd.
            }
            catch (Exception bug)
            {
                LogBug(bug);
            }
        }
    }

    private OmrunReply Decide(PeerCredentials caller, OmrunRequest request, Socket connection)
    {
        (RunOptions? run, OmrunReply.Exit? exit) = RunOptions.Parse(request.Arguments);
        if (run is null)
            return exit!;
        if (caller.Pid == 0 || Pidfd.OfPeer(connection, caller.Pid) is not { } pidfd)
            return new OmrunReply.Execute(run.Command, [], "omrun: called from another pid namespace: the command runs here and cannot move\n");
        string command = string.Join(' ', request.Arguments.Skip(run.Command));
        // Before omrun is answered: whoever sees the command sees the job.
        if (jobs.Register(caller.Pid, pidfd, caller.Uid, command, run.Stay, run.Follow) is { } process)
            Started(process);
        return new OmrunReply.Execute(run.Command, []);
    }

    private void Started(JobProcess process)
    {
        LogJobStarted(process.Job.Id, process.Pid, process.Job.Uid, process.Job.Command);
        feed.Publish(new WatchEvent { Kind = "started", Pid = process.Pid, Text = $"job {process.Job.Id} started: {process.Job.Command}" }, process.Job.Uid);
    }

    // Grows with what arrives, not with what is announced. Null: no request came.
    private async Task<byte[]?> ReadAsync(Socket connection)
    {
        using var deadline = new CancellationTokenSource(RequestDeadline, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, _stopping.Token);
        byte[] length = new byte[RunWire.LengthBytes];
        if (!await FillAsync(connection, length, either.Token).ConfigureAwait(false))
            return null;
        uint announced = BinaryPrimitives.ReadUInt32LittleEndian(length);
        if (announced > RunWire.RequestCeilingBytes)
            return null;
        byte[] body = [];
        while (body.Length < announced)
        {
            int before = body.Length;
            Array.Resize(ref body, (int)Math.Min(announced, Math.Max(before * 2L, ReadPieceBytes)));
            if (!await FillAsync(connection, body.AsMemory(before), either.Token).ConfigureAwait(false))
                return null;
        }
        return body;
    }

    private static async Task<bool> FillAsync(Socket connection, Memory<byte> memory, CancellationToken cancellationToken)
    {
        while (!memory.IsEmpty)
        {
            int received = await connection.ReceiveAsync(memory, cancellationToken).ConfigureAwait(false);
            if (received == 0)
                return false;
            memory = memory[received..];
        }
        return true;
    }

    [LoggerMessage(310, LogLevel.Information, "job {Job} started: pid {Pid}, uid {Uid}: {Command}")]
    private partial void LogJobStarted(string job, int pid, uint uid, string command);

    [LoggerMessage(311, LogLevel.Warning, "pid {Pid} of uid {Uid} sent what is no omrun request: {Why}")]
    private partial void LogNonsense(int pid, uint uid, string why);

    [LoggerMessage(312, LogLevel.Error, "omrun is not served any more")]
    private partial void LogStopped(Exception stopped);

    [LoggerMessage(313, LogLevel.Error, "serving an omrun failed")]
    private partial void LogBug(Exception bug);
}
