// What happens to a running remote from outside or by calls that are conducted: structural calls, signals, stop and continue, the end.
using OpenMosix.Checkpoint.Freeze;
using OpenMosix.Checkpoint.Tracing;
using OpenMosix.Protocol.Errors;
using OpenMosix.Protocol.V1;
using OpenMosix.Warden.Cell;
using OpenMosix.Warden.Forward;
using OpenMosix.Warden.Interop;
using OpenMosix.Warden.Signals;
using OpenMosix.Warden.Structure;

namespace OpenMosix.Warden.Held;

internal sealed partial class GuestProcess
{
    private const int ERESTARTNOINTR = 513;
    private const int ENOTCONN = 107;
    private const int ESRCH = 3, EAGAIN = 11, EBUSY = 16;

    /// <summary>How long home may take to end a call that is wanted back: nothing but a stopped deputy, or a disk that hangs, takes longer.</summary>
    private static readonly TimeSpan QuiesceWithin = TimeSpan.FromSeconds(2);

    /// <summary>While the deputy is stopped (SIGSTOP, Ctrl-Z).</summary>
    private HeldStill? held;

    /// <summary>Calls that were handed out meanwhile: who holds the threads is their tracer, and no other can stop one.</summary>
    private readonly List<StructuralCall> whileHeld = [];

    /// <summary>Why a call waits for the body to be at home; empty: none does.</summary>
    private string whyHome = "";

    internal ArrivedSignals Signals { get; } = new();

    internal ProcessImage Image => image;
    internal RemoteSide Remote => remote!;
    internal SharedCell Cell => cell!;
    internal int BodyPid => bodyPid;

    internal void Conduct(StructuralCall call)
    {
        if (held is not null)
            whileHeld.Add(call);
        else if (State is GuestState.Remote)
            StructuralCalls.Conduct(this, call);
    }

    private Dispositions? dispositions;

    internal Dispositions Dispositions => dispositions ??= new(image);

    /// <summary>The notification stays open until the body is stopped, and the call is issued again wherever it goes on.</summary>
    internal void GoHome(StructuralCall call, string reason)
    {
        whyHome = reason;
        remote!.Postpone(call.Notification);
        Context.Tell(new() { BringHome = new() { Key = Key, Reason = reason } });
    }

    /// <summary>Stops the thread in the middle of call, which it will not issue again: the caller sets its result. A call that was not
    /// stopped in has been answered.</summary>
    internal Outcome<FrozenProcess> StopIn(StructuralCall call)
    {
        Outcome<FrozenProcess> stopped = StopBody(call.Tid, _ =>
        {
            remote!.Answer(call.Notification, -ERESTARTNOINTR);
            return new(null, _ => new CallEnd(Answered: true));
        });
        // It could not even be seized (somebody traces it): nobody else would answer.
        if (!stopped.Ok)
            remote!.Answer(call.Notification, -EAGAIN);
        return stopped;
    }

    /// <summary>After StopIn.</summary>
    internal void GoOn(FrozenProcess body)
    {
        if (body.Threads.Count > 0)
            body.Thaw();
        cell!.Tighten(this);
    }

    /// <summary>A thread that the one held here has just made.</summary>
    internal void Began(uint slot, int atHome, int here)
    {
        Threads.Add(new(slot, atHome, here));
        _ = remote!.Thread(slot, here, signals: 0); // -ENOMEM: its calls are refused then
    }

    /// <summary>Home has ended its own, whose signals have come.</summary>
    internal void Ends(uint slot)
    {
        Threads.Remove(slot);
        Signals.Ended(slot);
    }

    /// <param name="tid">Of the one thread to be stopped; null: all.</param>
    private Outcome<FrozenProcess> StopBody(int? tid, Func<IReadOnlyList<int>, Interruption> interrupted)
    {
        var options = new FreezeOptions
        {
            AgentArea = AgentArea.Of(image),
            SuspendSeccomp = true,
            Deadline = DeadlineOf,
            Interrupted = tids =>
            {
                cell!.Loosen(this);
                return interrupted(tids);
            },
        };
        Outcome<FrozenProcess> stopped = tid is { } one ? FrozenProcess.FreezeThread(bodyPid, one, options) : FrozenProcess.Freeze(bodyPid, options);
        if (!stopped.Ok)
            cell!.Tighten(this);
        return stopped;
    }

    internal void Due(uint slot)
    {
        if (State is GuestState.Claiming)
            RunLate();
        else if (undoing && State is GuestState.RemoteFrozen)
            ThawWhenInForce();
        else if (State is GuestState.Remote && held is null && Threads.InSlot(slot) is { } thread)
            StopFor(thread, _ => { });
        DeliverSignals();
    }

    /// <summary>Everything that has arrived, each signal by the thread that is to have it: one stop for each of these.</summary>
    internal void DeliverSignals()
    {
        if (State is not GuestState.Remote || held is not null)
            return;
        var left = new List<ArrivedSignals.Waiting>();
        bool again = false;
        foreach (var ofOne in Signals.TakeAll().GroupBy(waiting => SignalTaker.For(this, waiting.Signal)))
        {
            if (ofOne.Key is not { } taker)
                continue;
            Failure? failed = StopFor(taker.Thread, body =>
            {
                // Now that it stands it may have another mask than before.
                var still = ofOne.ToLookup(waiting => SignalTaker.For(this, waiting.Signal) == taker);
                taker.Queue(this, body, [.. still[true]]);
                left.AddRange(still[false]);
                again |= still[false].Any();
            });
            if (failed is null)
                continue;
            left.AddRange(ofOne);
            // EBUSY: the engine says when it can be. Or it has just ended, and another one takes what was for the process; or it was slow to stop.
            again |= failed.Errno is ESRCH or ETIMEDOUT;
        }
        Signals.PutBack(left);
        if (again)
            _ = Queue.Run(() =>
            {
                DeliverSignals(); // in its turn
                return true;
            });
    }

    /// <summary>Stops a thread and lets it go on as for signals. Not null: it cannot be stopped now.</summary>
    private Failure? StopFor(GuestThread thread, Action<FrozenProcess> queue)
    {
        if (vforking.Contains(thread.Slot))
            return Failures.Broken(Stage.Forward, "it waits for the child of its vfork", EBUSY); // delivered when that lets it go
        Outcome<FrozenProcess> stopped = Stop(thread.Here, thread.Slot, Quiesce.Here);
        if (!stopped.Ok)
        {
            LogNotDelivered(Key, stopped.Failure.Message);
            return stopped.Failure;
        }
        using FrozenProcess body = stopped.Value;
        bool goesOn = false;
        try
        {
            queue(body);
            goesOn = EndsWait(body, thread);
        }
        finally
        {
            remote!.Resume(thread.Slot);
        }
        if (!goesOn)
            body.Thaw();
        cell!.Tighten(this);
        return null;
    }

    private Outcome<FrozenProcess> StopAll(Quiesce why) => Stop(null, OmEngine.EveryThread, why);

    /// <summary>Stops one thread, or all; a call that is under way at home is finished or taken back first.</summary>
    private Outcome<FrozenProcess> Stop(int? tid, uint slot, Quiesce why)
    {
        Outcome<FrozenProcess> stopped = StopBody(tid, _ => remote!.Quiesce(slot, why, QuiesceWithin) switch
        {
            0 => new(null, EndOf, () => remote!.Resume(slot)),
            -ENOTCONN => new("the link to its home is down"),
            _ => new("its home does not give a call back"),
        });
        if (stopped.Ok)
            whyHome = ""; // the call is taken back, and says so again
        return stopped;
    }

    /// <summary>Of a call that came with it.</summary>
    private long? DeadlineOf(int tid)
    {
        ThreadImage? thread = Threads.SlotOf(tid) is { } slot ? image.Threads.FirstOrDefault(thread => thread.Slot == slot) : null;
        return thread is { ResumedCall: not 0, ResumedDeadlineNs: < long.MaxValue } ? thread.ResumedDeadlineNs - cell!.Clock.MonotonicOffsetNs : null;
    }

    private CallEnd EndOf(int tid) => Threads.SlotOf(tid) is { } slot ? new(remote!.CallEnded(slot), remote.Left(slot)?.Number) : default;

    /// <summary>True: a signal ends the call a thread waits in, and it has gone on.</summary>
    private bool EndsWait(FrozenProcess body, GuestThread thread)
    {
        if (remote!.Mask(thread.Slot) is not { } mask)
            return false;
        Outcome<bool> ended = body.EndWait(mask, thread.Here, () => remote!.Resume(thread.Slot));
        return !ended.Ok || ended.Value;
    }

    /// <summary>All threads stand still.</summary>
    private void QueueWhileFrozen(FrozenProcess body)
    {
        foreach (var ofOne in Signals.TakeAll().GroupBy(waiting => SignalTaker.For(this, waiting.Signal)))
            ofOne.Key?.Queue(this, body, [.. ofOne]);
    }

    internal void Controlled(uint what)
    {
        switch (what)
        {
            case OmEngine.OM_CONTROL_STOP when State is GuestState.Remote:
                held ??= HeldStill.Hold(bodyPid);
                break;
            case OmEngine.OM_CONTROL_CONTINUE:
                LetGo();
                DeliverSignals();
                ConductHeld();
                break;
            case OmEngine.OM_CONTROL_GONE:
                EndFromHome("the deputy ended");
                break;
            case OmEngine.OM_CONTROL_FENCED:
                EndFromHome("a newer epoch is in force");
                break;
        }
    }

    /// <summary>The body is no more: exit, execve at home.</summary>
    internal void EndFromHome(string why)
    {
        if (State is GuestState.Ended)
            return;
        Discard();
        Ended(-1, why);
    }

    private void ConductHeld()
    {
        List<StructuralCall> calls = [.. whileHeld];
        whileHeld.Clear();
        foreach (StructuralCall call in calls)
            Conduct(call);
    }

    private void LetGo()
    {
        held?.Dispose();
        held = null;
    }

    [Microsoft.Extensions.Logging.LoggerMessage(EventId = 320, Level = Microsoft.Extensions.Logging.LogLevel.Warning, Message = "key {Key:x16}: a signal was not delivered: {Why}")]
    internal partial void LogNotDelivered(ulong key, string why);
}
