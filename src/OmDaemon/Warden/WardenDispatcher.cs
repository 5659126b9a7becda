// Tells every listener what the warden says, one thing after the other. A listener that fails is logged and does not stop the others.
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using OpenMosix.Protocol.V1;

namespace OpenMosix.Daemon.Warden;

internal sealed partial class WardenDispatcher(
    WardenClient client, IEnumerable<IWardenListener> listeners, TimeProvider time, ILogger<WardenDispatcher> log) : BackgroundService
{
    private static readonly TimeSpan StatusDeadline = TimeSpan.FromSeconds(10);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        IWardenListener[] all = [.. listeners];
        await foreach (WardenHappening happening in client.Happenings.ReadAllAsync(stoppingToken).ConfigureAwait(false))
        {
            switch (happening)
            {
                case WardenHappening.Connected:
                    if (await StatusAsync(stoppingToken).ConfigureAwait(false) is { } status)
                        await TellAsync(all, listener => listener.WardenConnectedAsync(status, stoppingToken)).ConfigureAwait(false);
                    break;
                case WardenHappening.Lost:
                    await TellAsync(all, listener => listener.WardenLostAsync(stoppingToken)).ConfigureAwait(false);
                    break;
                case WardenHappening.Said said:
                    await TellAsync(all, listener => listener.WardenSaidAsync(said.Message, stoppingToken)).ConfigureAwait(false);
                    break;
            }
        }
    }

    private async Task<WardenStatusReply?> StatusAsync(CancellationToken stoppingToken)
    {
        using var deadline = new CancellationTokenSource(StatusDeadline, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, stoppingToken);
        WardenAnswer answer = await client.AskAsync(new ToWarden { Status = new WardenStatus() }, either.Token).ConfigureAwait(false);
        if (answer is WardenAnswer.Replied { Reply.Status: { } status })
            return status;
        LogNoStatus(answer.AsFailure("")?.Message ?? "an answer of another kind");
        return null;
    }

    private async Task TellAsync(IWardenListener[] all, Func<IWardenListener, Task> tell)
    {
        foreach (IWardenListener listener in all)
        {
            try
            {
                await tell(listener).ConfigureAwait(false);
            }
            catch (Exception bug) when (bug is not OperationCanceledException)
            {
                LogListenerFailed(listener.GetType().Name, bug);
            }
        }
    }

    [LoggerMessage(403, LogLevel.Error, "the warden does not tell what it holds: {Why}")]
    private partial void LogNoStatus(string why);

    [LoggerMessage(404, LogLevel.Error, "{Listener} failed on what the warden said")]
    private partial void LogListenerFailed(string listener, Exception bug);
}
