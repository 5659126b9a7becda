using System.IO.Pipelines;

namespace OpenMosix.Grpc.Server;

/// <summary>
/// Flushes that can be given up without giving up the call: Kestrel resets the whole stream when a token that it was handed is set, and the
/// caller would never see the status.
/// </summary>
internal static class ResponseFlush
{
    public static async ValueTask FlushAsync(PipeWriter output, CancellationToken cancellationToken)
    {
        FlushResult result;
        await using (cancellationToken.UnsafeRegister(static output => ((PipeWriter)output!).CancelPendingFlush(), output).ConfigureAwait(false))
        {
            result = await output.FlushAsync(CancellationToken.None).ConfigureAwait(false);
        }

        cancellationToken.ThrowIfCancellationRequested();
        if (result.IsCanceled || result.IsCompleted)
        {
            throw new OperationCanceledException("The receiver has gone away.");
        }
    }
}
