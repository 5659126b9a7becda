using System.Net;

namespace OpenMosix.Grpc;

/// <summary>What a handler knows of the call it serves, and may add to the answer.</summary>
public abstract class ServerCall
{
    public abstract string Method { get; }

    /// <summary>Common name of the caller's certificate, which the cluster's CA signed: a node id. Null over the Unix socket and for callers without one.</summary>
    public abstract string? PeerNode { get; }

    /// <summary>Who is at the other end of the Unix socket (SO_PEERCRED). Null over TCP.</summary>
    public abstract UnixPeer? UnixPeer { get; }

    public abstract EndPoint? RemoteEndPoint { get; }

    public abstract Metadata RequestHeaders { get; }

    /// <summary>Sent with the first message; adding after that throws.</summary>
    public abstract Metadata ResponseHeaders { get; }

    /// <summary>Sent after the last message, with the status.</summary>
    public abstract Metadata ResponseTrailers { get; }

    /// <summary>Null: the caller waits for ever.</summary>
    public abstract DateTimeOffset? Deadline { get; }

    /// <summary>Set when the caller goes away or cancels, when the deadline passes, and when the server stops.</summary>
    public abstract CancellationToken CancellationToken { get; }
}
