// What only home does in a move: the deputy and the epoch. See src/DESIGN.md, "One body, one key, one epoch".
using Microsoft.Extensions.Logging;
using OpenMosix.Daemon.Warden;
using OpenMosix.Protocol.Errors;
using OpenMosix.Protocol.V1;

namespace OpenMosix.Daemon.Migration;

internal enum TakeBack
{
    Claimed, // the target presented its epoch: the body runs there
    Taken,   // the epoch given is in force, the target's is fenced for ever
    Never,   // the target's epoch was never expected: the source's is in force as before
    Gone,    // home's warden holds nothing of the process: it is native, or it has ended
}

internal sealed partial class HomeDeputy(IWarden warden, IPageShip pages, TimeProvider time, ILogger<HomeDeputy> log)
{
    private const int ESRCH = 3;

    private static readonly TimeSpan RetryPause = TimeSpan.FromMilliseconds(500);

    public async Task<Step<WardenDone>> DeputizeAsync(ulong key, uint epoch, CancellationToken cancellationToken) => Steps.Of(
        await warden.AskAsync(new ToWarden { Deputize = new WardenDeputize { Key = key, Epoch = epoch } }, MoveDeadlines.Short, time, cancellationToken).ConfigureAwait(false),
        Stage.Commit, reply => reply.Done);

    /// <summary>How often the body that is away has presented itself so far; a body that is frozen does not.</summary>
    public async Task<Step<HeldProcess>> LookAsync(ulong key, CancellationToken cancellationToken)
    {
        WardenAnswer answer = await warden.AskAsync(new ToWarden { Status = new WardenStatus() }, MoveDeadlines.Short, time, cancellationToken).ConfigureAwait(false);
        return answer is WardenAnswer.Replied { Reply.Status: { } status } && status.Processes.All(held => held.Key != key)
            ? Step<HeldProcess>.Refused(Failures.Broken(Stage.Freeze, "it has ended, or executes at home again", ESRCH))
            : Steps.Of(answer, Stage.Freeze, reply => reply.Status?.Processes.FirstOrDefault(held => held.Key == key));
    }

    /// <summary>Of all whose deputies are here, also those that this daemon has not been told of yet. Null: the warden does not say.</summary>
    public async Task<HashSet<ulong>?> KeysAsync(CancellationToken cancellationToken)
    {
        WardenAnswer answer = await warden.AskAsync(new ToWarden { Status = new WardenStatus() }, MoveDeadlines.Short, time, cancellationToken).ConfigureAwait(false);
        return answer is WardenAnswer.Replied { Reply.Status: { } status } ? [.. status.Processes.Select(held => held.Key)] : null;
    }

    /// <param name="presented">From LookAsync before the freeze; 0 for a body that was native at home.</param>
    /// <param name="leader">Key of the one that decides for its group.</param>
    public async Task<Step<WardenExpected>> ExpectAsync(ulong key, uint epoch, string node, uint presented, ulong leader, CancellationToken cancellationToken)
    {
        var expect = new WardenExpect { Key = key, Epoch = epoch, Node = node, Presented = presented, Leader = leader };
        return Steps.Of(
            await warden.AskAsync(new ToWarden { Expect = expect }, MoveDeadlines.Short, time, cancellationToken).ConfigureAwait(false), Stage.Commit, reply => reply.Expected);
    }

    /// <summary>
    /// Run was not answered, or not as hoped: who has the body? Asks until home's warden answers, because nobody may go on before. (While
    /// the warden is away every call of the body waits for it anyhow.)
    /// </summary>
    /// <param name="epoch">The move's; the next one is taken for `node`.</param>
    public async Task<TakeBack> TakeBackAsync(ulong key, uint epoch, string node, CancellationToken stopping)
    {
        while (true)
        {
            WardenAnswer answer = await warden.AskAsync(new ToWarden { Status = new WardenStatus() }, MoveDeadlines.Short, time, stopping).ConfigureAwait(false);
            if (answer is WardenAnswer.Replied { Reply.Status: { } status })
            {
                if (status.Processes.FirstOrDefault(held => held.Key == key) is not { } held)
                    return TakeBack.Gone;
                // Without this look the claim of the source's own epoch would pass for the target's.
                if (held.Epoch < epoch)
                    return TakeBack.Never;
                var expect = new WardenExpect { Key = key, Epoch = epoch + 1, Node = node, TakeBack = true };
                answer = await warden.AskAsync(new ToWarden { Expect = expect }, MoveDeadlines.Short, time, stopping).ConfigureAwait(false);
                if (answer is WardenAnswer.Replied { Reply.Expected: { } expected })
                    return expected.Claimed ? TakeBack.Claimed : TakeBack.Taken;
            }
            stopping.ThrowIfCancellationRequested();
            LogAgain(key.ToString("x16"), answer.AsFailure(Stage.Commit)?.Message ?? "an answer of another kind");
            await Task.Delay(RetryPause, time, stopping).ConfigureAwait(false);
        }
    }

    /// <summary>The body runs elsewhere: the skeleton's pages are given back.</summary>
    public async Task<Failure?> CommittedAsync(ulong key, CancellationToken cancellationToken)
    {
        await pages.ReleaseAsync(key).ConfigureAwait(false);
        WardenAnswer answer = await warden.AskAsync(
            new ToWarden { Committed = new WardenCommitted { Key = key } }, MoveDeadlines.Freeze, time, cancellationToken).ConfigureAwait(false);
        return answer.AsFailure(Stage.Forward);
    }

    [LoggerMessage(520, LogLevel.Warning, "key {Key}: the warden does not say who has the body, asked again: {Why}")]
    private partial void LogAgain(string key, string why);
}
