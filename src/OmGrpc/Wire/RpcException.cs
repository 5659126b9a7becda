namespace OpenMosix.Grpc;

/// <summary>A call that did not end with OK. A server's handler throws it to choose the status; a client gets it.</summary>
public sealed class RpcException : Exception
{
    public RpcException(StatusCode code, string detail, Exception? inner = null)
        : this(new Status(code, detail), null, inner)
    {
    }

    public RpcException(Status status, Metadata? trailers = null, Exception? inner = null)
        : base(status.ToString(), inner)
    {
        Status = status;
        Trailers = trailers ?? [];
    }

    public Status Status { get; }

    public StatusCode Code => Status.Code;

    public Metadata Trailers { get; }
}
