using System.Collections.Concurrent;
using System.Globalization;
using Microsoft.Extensions.Logging;
using OpenMosix.Checkpoint.Pages;
using OpenMosix.Grpc;
using OpenMosix.Protocol.Errors;
using OpenMosix.Protocol.V1;

namespace OpenMosix.Daemon.Ship;

/// <summary>
/// The pages of frozen processes that other nodes may pull. One per daemon; safe from any thread. A process is offered from Register to
/// Release, to the one node named, for one epoch; it must stay stopped in between.
/// </summary>
public sealed partial class PageSource(ILogger<PageSource> log)
{
    private readonly ConcurrentDictionary<ulong, PageOffer> _offers = new();

    /// <param name="key">Process key.</param>
    /// <param name="image">Is told what is in its files, as far as that is known.</param>
    /// <param name="epoch">Of the move; a pull for another epoch is refused.</param>
    /// <param name="memoryPid">Whose memory and mapped files are read (WardenFrozen.memory_pid).</param>
    /// <param name="targetNode">Node id: nobody else gets a page.</param>
    public Outcome Register(ulong key, uint epoch, ProcessImage image, int memoryPid, string targetNode)
    {
        if (Spans.Of(image, static _ => true) is not { } spans)
            return Failures.Broken(Stage.Ship, "the image's extents or file ranges are out of order");
        Outcome<SourceFiles> files = SourceFiles.Open(memoryPid, image);
        if (!files.Ok)
            return files.Failure;
        FileContents.Describe(image, files.Value);
        // An offer of an earlier epoch is of a body that has gone on from here since: whatever became of it, it is this process no more.
        if (_offers.TryGetValue(key, out PageOffer? earlier) && earlier.Epoch < epoch && _offers.TryRemove(new(key, earlier)))
            _ = earlier.WithdrawAsync();
        if (_offers.TryAdd(key, new PageOffer(key, epoch, memoryPid, TracerOf(memoryPid), targetNode, spans, files.Value)))
            return Outcome.Done;
        files.Value.Dispose();
        return Failures.Broken(Stage.Ship, $"the pages of process {key:x} are offered already");
    }

    /// <summary>Ends the offer and what is still being pulled. When it returns, nothing reads the process any more. Unknown keys are no error.</summary>
    public Task ReleaseAsync(ulong key) => _offers.TryRemove(key, out PageOffer? offer) ? offer.WithdrawAsync() : Task.CompletedTask;

    internal void Bind(IServiceBinder service) => service.RawServerStreaming<PullRequest, PageChunk>("Pull", PullAsync);

    private async Task PullAsync(PullRequest request, FrameWriter frames, ServerCall call)
    {
        PageOffer offer = Admit(request, call);
        try
        {
            using var stop = CancellationTokenSource.CreateLinkedTokenSource(call.CancellationToken, offer.Withdrawn);
            var sender = new SpanSender(offer, frames);
            foreach (PageSpan span in request.Spans)
                await sender.SendAsync(span, stop.Token).ConfigureAwait(false);
            await frames.FlushAsync(stop.Token).ConfigureAwait(false);
            // A tracer that dies lets go of its tracee: then these pages may be of two moments. The end of the stream says that they are not.
            if (TracerOf(offer.MemoryPid) != offer.Tracer)
                throw new RpcException(StatusCode.Aborted, "The process was let go on while its pages were read.");
        }
        catch (OperationCanceledException) when (offer.Withdrawn.IsCancellationRequested)
        {
            throw new RpcException(StatusCode.Aborted, "The move was called off.");
        }
        finally
        {
            offer.Leave();
        }
    }

    /// <summary>-1: there is no such process.</summary>
    private static int TracerOf(int pid)
    {
        const string field = "TracerPid:";
        try
        {
            string line = File.ReadLines($"/proc/{pid}/status").First(each => each.StartsWith(field, StringComparison.Ordinal));
            return int.Parse(line.AsSpan(field.Length), CultureInfo.InvariantCulture);
        }
        catch (Exception gone) when (gone is IOException or UnauthorizedAccessException)
        {
            return -1;
        }
    }

    private PageOffer Admit(PullRequest request, ServerCall call)
    {
        if (!_offers.TryGetValue(request.Key, out PageOffer? offer))
            throw new RpcException(StatusCode.NotFound, $"No pages of process {request.Key:x} are offered here.");
        if (call.PeerNode != offer.TargetNode)
        {
            NotForYou(call.PeerNode, request.Key, offer.TargetNode);
            throw new RpcException(StatusCode.PermissionDenied, $"The pages of process {request.Key:x} are for another node.");
        }

        if (request.Epoch != offer.Epoch)
            throw new RpcException(StatusCode.FailedPrecondition, $"Process {request.Key:x} moves with epoch {offer.Epoch}, not {request.Epoch}.");
        if (Spans.Fault(request.Spans) is { } fault)
            throw new RpcException(StatusCode.InvalidArgument, fault);
        if (offer.FirstNotOffered(request.Spans) is { } span)
            throw new RpcException(StatusCode.OutOfRange, $"{Spans.Text(span)} is not part of the image.");
        return offer.TryEnter() ? offer : throw new RpcException(StatusCode.Aborted, "The move was called off.");
    }

    [LoggerMessage(601, LogLevel.Warning, "node {Peer} asked for pages of process {Key:x}, which are for {Target}")]
    private partial void NotForYou(string? peer, ulong key, string target);
}
