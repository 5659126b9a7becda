namespace OpenMosix.Grpc;

/// <param name="Timeout">From now; the server is told. Null: for ever. It runs on while a stream is read.</param>
/// <param name="Headers">Metadata for the server.</param>
public sealed record CallOptions(TimeSpan? Timeout = null, Metadata? Headers = null)
{
    public static CallOptions Default { get; } = new();

    public static implicit operator CallOptions(TimeSpan timeout) => new(timeout);

    public static CallOptions FromTimeSpan(TimeSpan timeout) => new(timeout);
}
