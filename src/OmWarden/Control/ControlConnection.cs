// One connection of a daemon. Requests are started in the order they come and answered when they are done; events go out as they
// happen. When the connection ends, whatever it began and did not commit is undone by the owner of the process table.
using System.Net.Sockets;
using System.Threading.Channels;
using Microsoft.Extensions.Logging;
using OpenMosix.Protocol.V1;

namespace OpenMosix.Warden.Control;

internal sealed partial class ControlConnection(Socket socket, int peerPid, IRequestHandler handler, ILogger log)
{
    /// <summary>The daemon.</summary>
    internal int PeerPid => peerPid;

    private readonly Channel<FromWarden> outgoing = Channel.CreateUnbounded<FromWarden>(new() { SingleReader = true });

    internal void Send(FromWarden message) => outgoing.Writer.TryWrite(message);

    internal async Task RunAsync(CancellationToken stop)
    {
        await using var stream = new NetworkStream(socket, ownsSocket: true);
        Task writing = WriteAsync(stream);
        try
        {
            while (await Frames.ReadAsync(stream, ToWarden.Parser, stop).ConfigureAwait(false) is { } request)
                _ = AnswerAsync(request);
        }
        catch (Exception ended) when (ended is IOException or InvalidDataException or Google.Protobuf.InvalidProtocolBufferException
            or OperationCanceledException)
        {
            if (ended is not OperationCanceledException)
                LogBroken(ended.Message);
        }
        finally
        {
            outgoing.Writer.TryComplete();
            await writing.ConfigureAwait(false);
        }
    }

    private async Task AnswerAsync(ToWarden request)
    {
        FromWarden reply;
        try
        {
            reply = await handler.HandleAsync(this, request).ConfigureAwait(false);
        }
        catch (Exception bug)
        {
            // Whatever it is, the daemon must get an answer, and other processes' moves must go on.
            LogBug(bug, request.RequestCase);
            reply = new() { Failure = new() { Message = $"{request.RequestCase}: {bug.Message}" } };
        }
        reply.Id = request.Id;
        Send(reply);
    }

    private async Task WriteAsync(NetworkStream stream)
    {
        try
        {
            await foreach (FromWarden message in outgoing.Reader.ReadAllAsync().ConfigureAwait(false))
                await stream.WriteAsync(Frames.Write(message)).ConfigureAwait(false);
        }
        catch (IOException)
        {
            // The reading side sees the same end and cleans up.
        }
    }

    [LoggerMessage(EventId = 110, Level = LogLevel.Warning, Message = "control connection broken: {Why}")]
    private partial void LogBroken(string why);

    [LoggerMessage(EventId = 111, Level = LogLevel.Error, Message = "request {Request} failed unexpectedly")]
    private partial void LogBug(Exception bug, ToWarden.RequestOneofCase request);
}

internal interface IRequestHandler
{
    Task<FromWarden> HandleAsync(ControlConnection from, ToWarden request);
    Task ConnectionEndedAsync(ControlConnection from);
}
