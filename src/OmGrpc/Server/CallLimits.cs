namespace OpenMosix.Grpc.Server;

/// <summary>How much a caller may ask of the server.</summary>
internal sealed record CallLimits(int MessageBytes, TimeSpan? LongestTimeout)
{
    /// <summary>Without a certificate of the cluster: enough to join, too little to wear the server down.</summary>
    public static CallLimits Anonymous { get; } = new(64 * 1024, TimeSpan.FromSeconds(30));

    public static CallLimits Known(GrpcServerOptions options) => new(options.MaxReceiveMessageBytes, null);
}
