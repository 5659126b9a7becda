using OpenMosix.Protocol.V1;

namespace OpenMosix.Daemon.Warden;

internal static class WardenDeadline
{
    /// <summary>Waits at most so long, and no longer than `cancellationToken` allows.</summary>
    public static async Task<WardenAnswer> AskAsync(
        this IWarden warden, ToWarden request, TimeSpan deadline, TimeProvider time, CancellationToken cancellationToken)
    {
        using var limit = new CancellationTokenSource(deadline, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        return await warden.AskAsync(request, either.Token).ConfigureAwait(false);
    }
}
