using OpenMosix.Checkpoint.Tracing;

namespace OpenMosix.Checkpoint.Freeze;

/// <summary>How to freeze. The defaults are for a native process at home.</summary>
public sealed record FreezeOptions
{
    /// <summary>How long the thread may take to stop (a sleep in a device driver, a vfork parent) before it is left alone again.</summary>
    public TimeSpan Timeout { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>Where the agent already lies (a remote or a deputy); null: a native process, the agent is brought in when needed
    /// and taken out by Thaw.</summary>
    public AgentArea? AgentArea { get; init; }

    /// <summary>The process runs under a filter of ours: it is suspended while the process is frozen.</summary>
    public bool SuspendSeccomp { get; init; }

    /// <summary>Called when PTRACE_INTERRUPT has been sent, before the stop is waited for: a remote's pending notification is
    /// answered with -ERESTARTSYS here (KERNEL.md 21). On the tracer's thread.</summary>
    public Func<Interruption>? Interrupted { get; init; }
}

/// <summary>What became of the call that a remote waited in.</summary>
/// <param name="GiveUp">Why it will not stop: it is left alone. Null: it stops.</param>
/// <param name="Answered">It had been taken from the listener, and has its answer.</param>
/// <param name="Rest">The number of a call that had begun before and is issued again.</param>
public readonly record struct Interruption(string? GiveUp, bool Answered, int? Rest = null);
