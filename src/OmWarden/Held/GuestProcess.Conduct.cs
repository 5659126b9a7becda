// What happens to a running remote from outside or by calls that are conducted: structural calls, signals, stop and continue, the end.
using System.Collections.Concurrent;
using OpenMosix.Checkpoint.Freeze;
using OpenMosix.Checkpoint.Tracing;
using OpenMosix.Protocol.Errors;
using OpenMosix.Protocol.V1;
using OpenMosix.Warden.Cell;
using OpenMosix.Warden.Forward;
using OpenMosix.Warden.Interop;
using OpenMosix.Warden.Structure;

namespace OpenMosix.Warden.Held;

internal sealed partial class GuestProcess
{
    private const int ERESTARTNOINTR = 513;
    private const int ENOTCONN = 107;

    /// <summary>How long home may take to end a call that is wanted back: nothing but a stopped deputy, or a disk that hangs, takes longer.</summary>
    private static readonly TimeSpan QuiesceWithin = TimeSpan.FromSeconds(2);

    /// <summary>While the deputy is stopped (SIGSTOP, Ctrl-Z).</summary>
    private HeldStill? held;

    /// <summary>Why a call waits for the body to be at home; empty: none does.</summary>
    private string whyHome = "";

    /// <summary>siginfos that reached the deputy and are not yet pending here.</summary>
    internal ConcurrentQueue<byte[]> Signals { get; } = new();

    internal ProcessImage Image => image;
    internal RemoteSide Remote => remote!;
    internal CellProcess Cell => cell!;

    internal void Conduct(StructuralCall call)
    {
        if (State is GuestState.Remote)
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

    /// <summary>Stops the body in the middle of call, which it will not issue again: the caller sets its result.</summary>
    internal Outcome<FrozenProcess> StopIn(StructuralCall call) => StopBody(() =>
    {
        remote!.Answer(call.Notification, -ERESTARTNOINTR);
        return new(null, Answered: true);
    });

    /// <summary>After StopIn.</summary>
    internal void GoOn(FrozenProcess body)
    {
        body.Thaw();
        memory?.Tighten();
    }

    private Outcome<FrozenProcess> StopBody(Func<Interruption> interrupted)
    {
        Outcome<FrozenProcess> stopped = FrozenProcess.Freeze(cell!.BodyPid, new()
        {
            AgentArea = new RemoteAddress(image.AgentArea),
            SuspendSeccomp = true,
            Interrupted = () =>
            {
                memory?.Loosen();
                return interrupted();
            },
        });
        if (!stopped.Ok)
            memory?.Tighten();
        return stopped;
    }

    internal void DeliverSignals()
    {
        if (!Signals.IsEmpty)
            StopForSignals();
    }

    internal void Due()
    {
        if (undoing && State is GuestState.RemoteFrozen)
            ThawWhenInForce();
        else
            StopForSignals();
    }

    private void StopForSignals()
    {
        if (State is not GuestState.Remote || held is not null)
            return;
        Outcome<FrozenProcess> stopped = Stop(Quiesce.Here);
        if (!stopped.Ok)
        {
            // What cannot be had back now cannot be interrupted by a signal either. The engine says when it can be.
            LogNotDelivered(Key, stopped.Failure.Message);
            return;
        }
        using FrozenProcess body = stopped.Value;
        MakePending(body);
        bool goesOn = EndsWait(body);
        remote!.Resume();
        if (!goesOn)
            body.Thaw();
        memory?.Tighten();
    }

    /// <summary>Stops the body; a call of it that is under way at home is finished or taken back first.</summary>
    private Outcome<FrozenProcess> Stop(Quiesce why)
    {
        Outcome<FrozenProcess> stopped = StopBody(() =>
        {
            int ended = remote!.Quiesce(why, QuiesceWithin);
            if (ended < 0)
                return new(ended == -ENOTCONN ? "the link to its home is down" : "its home does not give a call back", false);
            return new(null, ended == 1, remote.Left()?.Number);
        });
        if (stopped.Ok)
            whyHome = ""; // the call is taken back, and says so again
        else
            remote!.Resume();
        return stopped;
    }

    /// <summary>True: a signal ends the call it waits in, and it has gone on.</summary>
    private bool EndsWait(FrozenProcess body)
    {
        if (remote!.Mask() is not { } mask)
            return false;
        Outcome<bool> ended = body.EndWait(mask);
        return !ended.Ok || ended.Value;
    }

    internal void Controlled(uint what)
    {
        switch (what)
        {
            case OmEngine.OM_CONTROL_STOP when State is GuestState.Remote:
                held ??= HeldStill.Hold(cell!.BodyPid);
                break;
            case OmEngine.OM_CONTROL_CONTINUE:
                LetGo();
                StopForSignals();
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

    private void LetGo()
    {
        held?.Dispose();
        held = null;
    }

    // By the thread itself: only so may si_code say that the kernel or a timer sent it (KERNEL.md 31).
    private void MakePending(FrozenProcess body)
    {
        var arrived = new List<byte[]>();
        while (Signals.TryDequeue(out byte[]? siginfo))
            arrived.Add(siginfo);
        if (arrived.Count == 0)
            return;
        if (body.QueueSignals(arrived) is { Ok: false } failed)
            LogNotDelivered(Key, failed.Failure!.Message);
        remote!.Queued(arrived.Count);
    }

    [Microsoft.Extensions.Logging.LoggerMessage(EventId = 320, Level = Microsoft.Extensions.Logging.LogLevel.Warning, Message = "key {Key:x16}: a signal was not delivered: {Why}")]
    private partial void LogNotDelivered(ulong key, string why);
}
