using System.Diagnostics;
using OpenMosix.Grpc;
using OpenMosix.Protocol.Errors;
using OpenMosix.Protocol.V1;

namespace OpenMosix.Daemon.Ship;

/// <summary>What a pull came to. <paramref name="Bytes"/> were sent as pages; <paramref name="ZeroBytes"/> more are zeros that were not sent.</summary>
public readonly record struct PullResult(ulong Bytes, ulong ZeroBytes, TimeSpan Elapsed);

/// <summary>Pulls the pages of an image from its source and puts them where they belong, as they arrive.</summary>
public static class PagePuller
{
    // Below this a second stream costs more (its TLS handshake, its windows) than it brings.
    private const ulong StreamWorthBytes = 32 * 1024 * 1024;
    private const string Cancelled = "cancelled";

    /// <param name="channel">To the source's daemon. Large images come over several of its connections where there are cores for TLS.</param>
    /// <param name="restoring">Where the pages go. Files whose base is 0 are not asked for, nor those that this node has itself.</param>
    /// <returns>A failure if a page is missing, damaged, not asked for, or cannot be written; what was written until then stays.</returns>
    public static Task<Outcome<PullResult>> PullAsync(
        IGrpcChannel channel, ulong key, uint epoch, ProcessImage image, WardenRestoring restoring, CancellationToken cancellationToken) =>
        PullAsync(channel, key, epoch, image, restoring, streams: null, cancellationToken);

    internal static async Task<Outcome<PullResult>> PullAsync(
        IGrpcChannel channel, ulong key, uint epoch, ProcessImage image, WardenRestoring restoring, int? streams, CancellationToken cancellationToken)
    {
        var started = Stopwatch.GetTimestamp();
        if (restoring.FileBase.Count != image.Files.Count)
            return Broken($"the image has {image.Files.Count} files, the warden answered for {restoring.FileBase.Count}");
        var destination = new PageDestination(image, restoring);
        HashSet<int> local = LocalFiles.Fill(image, restoring, destination);
        if (Spans.Of(image, file => restoring.FileBase[file] != 0 && !local.Contains(file)) is not { } spans)
            return Broken("the image's extents or file ranges are out of order");
        if (spans.Count == 0)
            return new PullResult(0, 0, Stopwatch.GetElapsedTime(started));

        streams ??= (int)Math.Clamp(Spans.Bytes(spans) / StreamWorthBytes, 1, (ulong)GrpcChannel.BulkConnections);
        // The first stream that fails ends the others.
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        Task<Outcome<SpanReceiver>>[] pulls = [.. Spans.Split(spans, streams.Value).Select(async part =>
        {
            Outcome<SpanReceiver> outcome = await PullAsync(channel, key, epoch, part, destination, stop.Token).ConfigureAwait(false);
            if (!outcome.Ok)
                await stop.CancelAsync().ConfigureAwait(false);
            return outcome;
        })];
        // Each of them ends with an outcome, also when it is cancelled: so nothing writes into the process after this.
        Outcome<SpanReceiver>[] outcomes = await Task.WhenAll(pulls).ConfigureAwait(false);
        cancellationToken.ThrowIfCancellationRequested();
        if (outcomes.FirstOrDefault(outcome => !outcome.Ok && outcome.Failure.Message != Cancelled) is { Ok: false } failed)
            return failed.Failure;
        return new PullResult(
            outcomes.Aggregate(0ul, (sum, outcome) => sum + outcome.Value.DataBytes),
            outcomes.Aggregate(0ul, (sum, outcome) => sum + outcome.Value.ZeroBytes),
            Stopwatch.GetElapsedTime(started));
    }

    private static async Task<Outcome<SpanReceiver>> PullAsync(
        IGrpcChannel channel, ulong key, uint epoch, List<PageSpan> spans, PageDestination destination, CancellationToken cancellationToken)
    {
        var receiver = new SpanReceiver(spans, destination);
        var request = new PullRequest { Key = key, Epoch = epoch, Spans = { spans } };
        try
        {
            await using FrameReader frames = await channel.OpenRawAsync(PagesMethods.Pull, request, cancellationToken: cancellationToken).ConfigureAwait(false);
            while (await frames.ReadAsync().ConfigureAwait(false) is { } message)
            {
                Outcome taken = receiver.Take(message);
                if (!taken.Ok)
                    return taken.Failure;
            }
        }
        catch (RpcException failure)
        {
            return Broken($"the source's pages do not come: {failure.Status}");
        }
        catch (OperationCanceledException)
        {
            return Broken(Cancelled);
        }

        return receiver.IsComplete ? receiver : Broken("the source ended the stream before all pages were sent");
    }

    private static Failure Broken(string message) => Failures.Broken(Stage.Ship, message);
}
