namespace OpenMosix.Grpc;

/// <summary>Sends the messages of a stream. One writer at a time; a write waits while the receiver is slow.</summary>
public interface IStreamWriter<in T>
{
    ValueTask WriteAsync(T message, CancellationToken cancellationToken = default);
}
