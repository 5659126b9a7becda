// A process this warden has to do with: at home (HomeProcess) or as a guest (GuestProcess). Everything that changes it runs on its
// queue, one thing after the other; what the engine's threads report is queued too.
using OpenMosix.Protocol.Errors;
using OpenMosix.Protocol.V1;
using OpenMosix.Warden.Control;

namespace OpenMosix.Warden.Held;

internal abstract class HeldProcess(ulong key, WardenContext context)
{
    // It is ready and waits for this; what keeps it longer is no group.
    private static readonly TimeSpan BoundWithin = TimeSpan.FromSeconds(2);

    internal ulong Key { get; } = key;
    internal SerialQueue Queue { get; init; } = new();

    /// <summary>Whose move is under way and not committed: undone when that connection ends.</summary>
    internal ControlConnection? Mover { get; set; }

    /// <summary>Its group is being committed with it in it: whoever goes away meanwhile, it is not undone. On its queue only.</summary>
    internal bool Bound { get; private set; }

    /// <summary>Restored, and can be told to run.</summary>
    protected abstract bool IsReady { get; }

    /// <summary>Home has not answered its claim: neither it nor its group is run, killed or undone before that.</summary>
    internal virtual bool AwaitsHome => false;

    private Action<bool>? decide; // whether the others of its group run

    protected WardenContext Context { get; } = context;

    internal abstract FromWarden Handle(ToWarden request);

    /// <summary>The daemon that began a move is gone.</summary>
    internal abstract void UndoMove();

    /// <summary>The warden ends.</summary>
    internal virtual void Leave() => UndoMove();

    internal abstract Protocol.V1.HeldProcess Describe();

    /// <summary>Runs the leader of a group, and as soon as it runs all others, with nobody to ask in between. None of them when one is not there (any more).</summary>
    protected FromWarden RunGroup(WardenRun request, Func<FromWarden> runLeader)
    {
        var others = request.Others.Select(run => (Run: run, Process: Context.Held.Find(run.Key))).Where(other => other.Process != this).ToList();
        FromWarden? reply = null;
        foreach ((WardenRun run, HeldProcess? process) in others)
            if (process?.Bind() != true)
                reply ??= Replies.Failed(Stage.Commit, $"key {run.Key:x16} of its group is not ready here");
        decide = ran =>
        {
            foreach ((WardenRun run, HeldProcess? process) in others)
                _ = process?.Queue.Run(() =>
                {
                    process.Bound = false;
                    return ran ? process.Handle(new() { Run = run }) : process.Handle(new() { Abort = new() { Key = run.Key } });
                });
        };
        reply ??= runLeader();
        if (!AwaitsHome)
            Decided(reply.Failure is null);
        return reply;
    }

    /// <summary>Whether it has run, if it leads a group that waits for that.</summary>
    protected void Decided(bool ran)
    {
        decide?.Invoke(ran);
        decide = null;
    }

    // In its turn: what a daemon that is gone has begun may be being undone at this moment.
    private bool Bind()
    {
        Task<bool> bound = Queue.Run(() => Bound = IsReady);
        return bound.Wait(BoundWithin) && bound.Result;
    }

    /// <summary>The warden forgets it.</summary>
    protected void Forget() => Context.Held.Remove(this);

    protected FromWarden Unexpected(string stage, object state, ToWarden request) =>
        Replies.Failed(stage, $"{request.RequestCase} does not fit a process that is {state} here");

    protected void Ended(int waitStatus, string why) =>
        Context.Tell(new() { Ended = new() { Key = Key, WaitStatus = waitStatus, Why = why } });

    protected static Failure Broken(string stage, string message, int errno) => Failures.Broken(stage,
        $"{message}: {System.Runtime.InteropServices.Marshal.GetPInvokeErrorMessage(errno)}", errno);
}
