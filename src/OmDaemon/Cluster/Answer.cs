using OpenMosix.Grpc;

namespace OpenMosix.Daemon.Cluster;

/// <summary>The outcome of what somebody asked for: the value, or a status and a sentence that names what is at fault.</summary>
public abstract record Answer<T>
{
    private Answer() { }

    public sealed record Given(T Value) : Answer<T>;
    public sealed record Refused(StatusCode Code, string Why) : Answer<T>;

    /// <summary>At the border to gRPC, where a refusal is a status.</summary>
    public T OrStatus() => this switch
    {
        Given given => given.Value,
        Refused refused => throw new RpcException(refused.Code, refused.Why),
        _ => throw new InvalidOperationException(),
    };
}
