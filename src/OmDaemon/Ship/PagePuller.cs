using OpenMosix.Grpc;
using OpenMosix.Protocol.Errors;
using OpenMosix.Protocol.V1;

namespace OpenMosix.Daemon.Ship;

/// <summary>What a pull came to. <paramref name="Bytes"/> were sent as pages; <paramref name="ZeroBytes"/> more are zeros that were not sent.</summary>
public readonly record struct PullResult(ulong Bytes, ulong ZeroBytes, TimeSpan Elapsed);

/// <summary>Pulls the pages of an image from its source and puts them where they belong, as they arrive.</summary>
public static class PagePuller
{
    /// <param name="channels">Connections to the source; the pages are spread over them (several pay off under TLS where there are cores).</param>
    /// <param name="restoring">Where the pages go. Files whose base is 0 are not asked for.</param>
    /// <returns>A failure if a page is missing, damaged, not asked for, or cannot be written; what was written until then stays.</returns>
    public static Task<Outcome<PullResult>> PullAsync(
        IReadOnlyList<IGrpcChannel> channels, ulong key, uint epoch, ProcessImage image, WardenRestoring restoring, CancellationToken cancellationToken) =>
        throw new NotImplementedException();
}
