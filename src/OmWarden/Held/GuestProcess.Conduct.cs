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

    /// <summary>A call that waits for the body to be at home; answered when the body is stopped for it.</summary>
    private StructuralCall? goingHome;
    private string whyHome = "";
    private bool heldByStop;

    /// <summary>siginfos that reached the deputy and are not yet pending here.</summary>
    internal ConcurrentQueue<byte[]> Signals { get; } = new();

    internal ProcessImage Image => image;
    internal RemoteSide Remote => remote!;
    internal CellProcess Cell => cell!;

    internal void Conduct(StructuralCall call)
    {
        if (State is GuestState.Remote && !heldByStop)
            StructuralCalls.Conduct(this, call);
        else
            waiting.Enqueue(call);
    }

    private readonly Queue<StructuralCall> waiting = new();
    private Dispositions? dispositions;

    internal Dispositions Dispositions => dispositions ??= new(image);

    /// <summary>The notification stays open until the body is stopped, and the call is issued again wherever it goes on.</summary>
    internal void GoHome(StructuralCall call, string reason)
    {
        (goingHome, whyHome) = (call, reason);
        Context.Tell(new() { BringHome = new() { Key = Key, Reason = reason } });
    }

    /// <summary>Stops the body in the middle of call, which it will not issue again: the caller sets its result.</summary>
    internal Outcome<FrozenProcess> StopIn(StructuralCall call) => FrozenProcess.Freeze(cell!.BodyPid, new()
    {
        AgentArea = new RemoteAddress(image.AgentArea),
        SuspendSeccomp = true,
        Interrupted = () => remote!.Answer(call.Notification, -ERESTARTNOINTR),
    });

    internal void DeliverSignals()
    {
        if (State is not GuestState.Remote || Signals.IsEmpty)
            return;
        if (heldByStop)
        {
            MakePending(frozen!);
            return;
        }
        Outcome<FrozenProcess> stopped = Stop();
        if (!stopped.Ok)
        {
            LogNotDelivered(Key, stopped.Failure.Message);
            return;
        }
        using FrozenProcess body = stopped.Value;
        MakePending(body);
        remote!.Resume();
        body.Thaw();
    }

    internal void Controlled(uint what)
    {
        switch (what)
        {
            case OmEngine.OM_CONTROL_STOP when State is GuestState.Remote && !heldByStop:
                if (Stop() is { Ok: true } stopped)
                    (frozen, heldByStop) = (stopped.Value, true);
                break;
            case OmEngine.OM_CONTROL_CONTINUE when heldByStop:
                heldByStop = false;
                remote!.Resume();
                frozen!.Thaw();
                frozen.Dispose();
                frozen = null;
                GoOn();
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
        Ended(-1, why);
        Discard();
    }

    /// <summary>What came while it was held still.</summary>
    private void GoOn()
    {
        while (State is GuestState.Remote && !heldByStop && waiting.TryDequeue(out StructuralCall? call))
            StructuralCalls.Conduct(this, call);
        DeliverSignals();
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
    }

    [Microsoft.Extensions.Logging.LoggerMessage(EventId = 320, Level = Microsoft.Extensions.Logging.LogLevel.Warning, Message = "key {Key:x16}: a signal was not delivered: {Why}")]
    private partial void LogNotDelivered(ulong key, string why);
}
