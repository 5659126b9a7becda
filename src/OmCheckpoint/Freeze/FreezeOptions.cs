using OpenMosix.Checkpoint.Interop;
using OpenMosix.Checkpoint.Tracing;

namespace OpenMosix.Checkpoint.Freeze;

/// <summary>How to freeze. The defaults are for a native process at home.</summary>
public sealed record FreezeOptions
{
    /// <summary>How long the threads may take to stop (a sleep in a device driver, a vfork parent) before all are left alone again.</summary>
    public TimeSpan Timeout { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>Where the agent already lies (a remote or a deputy); null: a native process, the agent is brought in when needed
    /// and taken out by Thaw.</summary>
    public AgentArea? AgentArea { get; init; }

    /// <summary>The process runs under a filter of ours: it is suspended while the process is frozen.</summary>
    public bool SuspendSeccomp { get; init; }

    /// <summary>Called once, with the tids, when PTRACE_INTERRUPT has been sent to all, before their stops are waited for: a remote's pending
    /// notifications are answered with -ERESTARTSYS here (KERNEL.md 21). On the tracer's thread.</summary>
    public Func<IReadOnlyList<int>, Interruption>? Interrupted { get; init; }

    /// <summary>By tid: when a call ends that was given what was left of its time when the thread was restored; on CLOCK_MONOTONIC here. The kernel does
    /// not tell, once such a call goes on.</summary>
    public Func<int, long?>? Deadline { get; init; }

    /// <summary>PTRACE_O_* of a thread that stands still.</summary>
    internal int WhileHeld => Ptrace.PTRACE_O_TRACESYSGOOD | (SuspendSeccomp ? Ptrace.PTRACE_O_SUSPEND_SECCOMP : 0);
}

/// <summary>What became of the calls that a remote waited in.</summary>
/// <param name="GiveUp">Why it will not stop: it is left alone. Null: it stops.</param>
/// <param name="Of">By tid, of every thread that stops; null: nothing of it waited for us.</param>
/// <param name="Undo">Called when they do not stop after all, before they are let go: from then on their calls are answered as ever.</param>
public readonly record struct Interruption(string? GiveUp, Func<int, CallEnd>? Of = null, Action? Undo = null);

/// <summary>What became of the call that a thread of a remote waited in.</summary>
/// <param name="Answered">It had been taken from the listener, and has its answer.</param>
/// <param name="Rest">The number of a call that had begun before and is issued again.</param>
public readonly record struct CallEnd(bool Answered, int? Rest = null);
