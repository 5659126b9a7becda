using OpenMosix.Protocol.V1;

namespace OpenMosix.Daemon.Warden;

/// <summary>This node's omwarden. Safe from any thread; requests of different processes overtake each other, the warden keeps those of one in order.</summary>
public interface IWarden
{
    bool IsConnected { get; }

    /// <summary>Sends one request and waits for its reply. Never throws for what the warden or the connection does.</summary>
    /// <param name="request">Its id is filled in.</param>
    /// <param name="cancellationToken">The deadline: ends the wait, not the work.</param>
    Task<WardenAnswer> AskAsync(ToWarden request, CancellationToken cancellationToken);
}

/// <summary>What became of a request.</summary>
public abstract record WardenAnswer
{
    private WardenAnswer() { }

    public sealed record Replied(FromWarden Reply) : WardenAnswer;

    /// <summary>The warden refused or failed, and changed nothing; or the request was never sent.</summary>
    public sealed record Failed(Failure Failure) : WardenAnswer;

    /// <summary>Sent, and no answer came: it may have been done or not.</summary>
    public sealed record Unknown(string Why) : WardenAnswer;

    /// <summary>For callers to whom unknown is as bad as failed.</summary>
    public Failure? AsFailure(string stage) => this switch
    {
        Failed failed => failed.Failure,
        Unknown unknown => new Failure { Stage = stage, Message = unknown.Why },
        _ => null,
    };
}
