// A process whose home is elsewhere: its cell, the body being built in it, and the remote that runs. On its queue only. Everything before the
// claim is undone by ending the cell; a body that has been told to run is ended only when home says so, or it ended itself.
using System.Diagnostics;
using Google.Protobuf;
using Microsoft.Extensions.Logging;
using Microsoft.Win32.SafeHandles;
using OpenMosix.Checkpoint;
using OpenMosix.Checkpoint.Freeze;
using OpenMosix.Checkpoint.Pages;
using OpenMosix.Checkpoint.Restore;
using OpenMosix.Checkpoint.Tracing;
using OpenMosix.Protocol.Errors;
using OpenMosix.Protocol.Syscalls;
using OpenMosix.Protocol.V1;
using OpenMosix.Warden.Cell;
using OpenMosix.Warden.Control;
using OpenMosix.Warden.Forward;
using OpenMosix.Warden.Interop;

namespace OpenMosix.Warden.Held;

internal enum GuestState
{
    Empty,
    Restoring,
    Ready,
    /// <summary>Told to run, and home has not answered its claim: it may be the only body there is. It stands.</summary>
    Claiming,
    Remote,
    RemoteFrozen,
    Ended,
}

internal sealed partial class GuestProcess : HeldProcess, ICellBody
{
    private const int SIGKILL = 9;
    private const string MemoryIsShort = "the memory of its cell is nearly used up";
    private const int ESTALE = 116;
    private const int ETIMEDOUT = 110;
    private static readonly TimeSpan ClaimWithin = TimeSpan.FromSeconds(5); // less than the daemon's patience with Run
    private static readonly TimeSpan ConfirmWithin = TimeSpan.FromMilliseconds(500);

    private readonly ILogger<GuestProcess> log;
    private readonly string home;
    private uint epoch;
    private ProcessImage image;
    private CellLimits limits = new();
    private SharedCell? cell;
    private CellGate? gate;
    private int bodyPid; // in our pid namespace
    private SafeFileHandle? bodyPidfd;
    private RestoringProcess? restoring;
    private FrozenProcess? frozen;
    private RemoteSide? remote;
    private bool undoing; // frozen, and let go as soon as home says that its epoch is in force
    private bool memoryIsShort;

    internal GuestProcess(ulong key, uint epoch, ProcessImage image, string home, WardenContext context)
        : base(key, context)
    {
        this.home = home;
        this.epoch = epoch;
        this.image = image;
        log = context.Logger<GuestProcess>();
    }

    internal GuestState State { get; private set; } = GuestState.Empty;
    internal GuestThreads Threads { get; } = new();
    protected override bool IsReady => State is GuestState.Ready;
    internal override bool AwaitsHome => State is GuestState.Claiming;

    internal override FromWarden Handle(ToWarden request) => request.RequestCase switch
    {
        ToWarden.RequestOneofCase.Restore when State is GuestState.Empty => Restore(request.Restore),
        ToWarden.RequestOneofCase.Finish when State is GuestState.Restoring => Finish(),
        ToWarden.RequestOneofCase.Run when State is GuestState.Ready => RunGroup(request.Run, () => Run(request.Run)),
        // It ran with the leader of its group.
        ToWarden.RequestOneofCase.Run when State is GuestState.Remote && request.Run.Epoch == epoch => Replies.Done(),
        // Not of one that has presented its epoch, or whose leader has: what became of the claim, home's warden says, and nobody else can.
        ToWarden.RequestOneofCase.Abort when State is GuestState.Restoring || State is GuestState.Ready && !Bound => Discard(),
        ToWarden.RequestOneofCase.Freeze when State is GuestState.Remote => Freeze(request.Freeze),
        ToWarden.RequestOneofCase.Snapshot when State is GuestState.RemoteFrozen => Snapshot(),
        ToWarden.RequestOneofCase.Thaw when State is GuestState.RemoteFrozen => Thaw(request.Thaw.Epoch),
        // A warden died in the middle of a move, which was then taken back: the body runs, and its calls wait for an epoch that counts.
        ToWarden.RequestOneofCase.Thaw when State is GuestState.Remote && request.Thaw.Epoch > epoch => StopAndThaw(request.Thaw.Epoch),
        // It may have ended by itself: a body whose epoch is over hears that from home first.
        ToWarden.RequestOneofCase.Discard or ToWarden.RequestOneofCase.Abort when State is GuestState.Ended => Replies.Done(),
        ToWarden.RequestOneofCase.Discard when State is not GuestState.Empty => Discard(),
        _ => Unexpected(Stage.Forward, State, request),
    };

    internal override void UndoMove()
    {
        switch (State)
        {
            case GuestState.Restoring or GuestState.Ready:
                Discard();
                break;
            case GuestState.RemoteFrozen:
                Thaw(0);
                break;
        }
    }

    /// <summary>One that may have been claimed is not lost with this warden: let go, it does nothing that anybody sees before home has accepted it under the next one.</summary>
    internal override void Leave()
    {
        if (State is GuestState.Claiming || Bound && State is GuestState.Ready)
            LetRun();
        else
            UndoMove();
    }

    internal override Protocol.V1.HeldProcess Describe()
    {
        OmEngine.om_counters counters = remote?.Counters() ?? default;
        (ulong[] calls, ulong[] refused) = remote?.CallCounts() ?? ([], []);
        var described = new Protocol.V1.HeldProcess
        {
            Key = Key,
            Pid = bodyPid,
            HomePid = image.Pid,
            Epoch = epoch,
            Peer = home,
            Calls = counters.calls,
            BytesIn = counters.bytes_in,
            BytesOut = counters.bytes_out,
            Refused = counters.refused,
            BringHome = whyHome.Length > 0 ? whyHome : memoryIsShort ? MemoryIsShort : "",
            Role = State switch
            {
                GuestState.Remote => Protocol.V1.HeldProcess.Types.Role.Remote,
                GuestState.RemoteFrozen => Protocol.V1.HeldProcess.Types.Role.Frozen,
                _ => Protocol.V1.HeldProcess.Types.Role.Restoring,
            },
        };
        for (int number = 0; number < calls.Length; number++)
        {
            if (calls[number] > 0)
                described.CallCounts.Add(new CallCount { Name = SyscallTable.NameOf(number), Count = calls[number] });
            if (refused[number] > 0)
                described.CallCounts.Add(new CallCount { Name = SyscallTable.NameOf(number), Count = refused[number], Refused = true });
        }
        return described;
    }

    private FromWarden Restore(WardenRestore request)
    {
        long begin = Stopwatch.GetTimestamp();
        ClockOffsets here = ClockReader.Read();
        // The image's is what they showed a while ago: they never step back behind that.
        var clock = new CellClock(
            Math.Max(image.Clocks.MonotonicNs - here.MonotonicNs, request.Ahead?.MonotonicNs ?? long.MinValue),
            Math.Max(image.Clocks.BoottimeNs - here.BoottimeNs, request.Ahead?.BoottimeNs ?? long.MinValue));
        limits = request.Limits ?? new();
        try
        {
            if (request.Beside == 0)
                cell = SharedCell.Create(Context, Name, image, limits, clock, out bodyPid, out bodyPidfd);
            else if (Context.Held.Find(request.Beside) is GuestProcess { State: GuestState.Ready, cell: { } theirs })
                (cell, bodyPid) = (theirs, theirs.Spawn(image.Pid, out bodyPidfd));
            else
                throw new CellException($"nothing of its group is ready here under key {request.Beside:x16}", ESRCH);
        }
        catch (Exception refused) when (refused is CellException or IOException)
        {
            Discard();
            return Replies.Failed(Stage.Restore, refused.Message, (refused as CellException)?.Errno ?? 0);
        }
        cell.Join(this);
        Outcome<RestoringProcess> begun;
        try
        {
            lock (cell.Births)
                begun = RestoringProcess.Begin(bodyPid, image, cell.NextTid, cell.Memory);
        }
        catch (CellException broken)
        {
            Discard();
            return Replies.Failed(Stage.Restore, broken.Message, broken.Errno);
        }
        if (!begun.Ok)
        {
            Discard();
            return Replies.Failed(begun.Failure);
        }
        restoring = begun.Value;
        Threads.Fill(restoring.Threads.Select(thread => new GuestThread(thread.Slot, thread.Tid, thread.HostTid)));
        State = GuestState.Restoring;
        return new()
        {
            Restoring = new()
            {
                MemoryPid = bodyPid,
                FileBase = { restoring.FileBases },
                RestoreUs = (ulong)Stopwatch.GetElapsedTime(begin).TotalMicroseconds,
            },
        };
    }

    private FromWarden Finish()
    {
        if (Context.Engine is null)
            return Replies.Failed(Stage.Restore, "no link yet: the daemon has not configured this warden");
        Outcome<SafeFileHandle?> finished = restoring!.Finish(new() { SeccompProgram = SyscallTable.SeccompFilter });
        if (!finished.Ok)
            return Replies.Failed(finished.Failure);
        cell!.Written.Keep(bodyPid);
        gate = cell.Serve(Name, finished.Value!, out int errno);
        if (gate is null)
            return Replies.Failed(Broken(Stage.Restore, "serving the cell", errno));
        engineState = Memfd.Create("om-guest", OmEngine.StateBytes(image.AgentSlots));
        BeginHandover();
        if (OpenRemote() is { } failure)
            return Replies.Failed(failure);
        foreach (ThreadImage thread in image.Threads)
            CarryOver(thread);
        errno = -gate.Side.Start();
        if (errno != 0)
            return Replies.Failed(Broken(Stage.Restore, "serving the cell", errno));
        State = GuestState.Ready;
        return Replies.Done();
    }

    private FromWarden Run(WardenRun request)
    {
        if (request.Epoch != epoch)
            return Replies.Failed(Stage.Commit, $"restored for epoch {epoch}, asked to run as {request.Epoch}");
        return RunWhenClaimed(ClaimWithin);
    }

    private FromWarden RunWhenClaimed(TimeSpan within)
    {
        switch (remote!.Start(within))
        {
            case 0:
                break;
            case -ETIMEDOUT:
                State = GuestState.Claiming; // Due says when home is heard, Controlled what else it may say
                return Replies.Failed(Broken(Stage.Commit, $"presenting epoch {epoch} at {home}", ETIMEDOUT));
            case int refused:
                State = GuestState.Ready;
                return Replies.Failed(Broken(Stage.Commit, $"home does not accept epoch {epoch}", -refused));
        }
        Outcome runs = LetRun();
        if (runs.Ok)
            return Replies.Done();
        // Claimed and not able to run: the body is lost, as it would be had this node died now.
        remote.Ask(Structure.HomeRequest.Signalled, Structure.HomeRequest.Number(0, SIGKILL), out _);
        Discard();
        return Replies.Failed(runs.Failure!);
    }

    private Outcome LetRun()
    {
        Outcome runs = restoring!.Run();
        restoring.Dispose();
        restoring = null;
        if (!runs.Ok)
            return runs;
        State = GuestState.Remote;
        Mover = null;
        cell!.GuardMemory();
        WriteRecord(runs: true);
        return runs;
    }

    /// <summary>Home is heard, late.</summary>
    private void RunLate()
    {
        FromWarden reply = RunWhenClaimed(TimeSpan.Zero);
        if (AwaitsHome)
            return;
        if (reply.Failure is null)
            Context.Tell(new() { Began = new ProcessBegan { Process = Describe() } });
        Decided(reply.Failure is null);
    }

    private FromWarden Freeze(WardenFreeze request)
    {
        long begin = Stopwatch.GetTimestamp();
        if (held is not null)
            return Replies.Failed(Failures.Refused(Stage.Freeze, Refusals.Stopped()));
        if (BoundByVfork() is { } bound)
            return Replies.Failed(Failures.Refused(Stage.Freeze, bound));
        do
        {
            Outcome<FrozenProcess> stopped = StopAll(request.Returns ? Quiesce.Return : Quiesce.Move);
            if (!stopped.Ok)
                return Replies.Failed(stopped.Failure);
            frozen = stopped.Value;
            // What has arrived travels with it; unless that has to end a wait, which is done first.
            QueueWhileFrozen(frozen);
        }
        while (WentOnWithSignal());
        State = GuestState.RemoteFrozen;
        WriteBackUnmapped();
        return new() { Frozen = new() { FreezeUs = (ulong)Stopwatch.GetElapsedTime(begin).TotalMicroseconds } };
    }

    private FromWarden Snapshot()
    {
        long begin = Stopwatch.GetTimestamp();
        Outcome<ProcessImage> described = frozen!.Snapshot(new()
        {
            Node = Context.Node,
            HomeHostname = image.HomeHostname,
            HomePid = image.Pid,
            Remote = true,
            Slot = tid => Threads.SlotOf(tid)!.Value, // every thread was made by us
            Forwarded = tid => remote!.Left(Threads.SlotOf(tid)!.Value),
        });
        if (!described.Ok)
            return Replies.Failed(described.Failure);
        Dictionary<uint, ByteString> wanted = image.Threads.ToDictionary(thread => thread.Slot, thread => thread.Affinity);
        FileContents.CarryOver(image, described.Value);
        image = described.Value;
        image.Usage = remote!.Usage();
        foreach (ThreadImage thread in image.Threads)
        {
            thread.Affinity = AffinityOf(thread.Slot, wanted.GetValueOrDefault(thread.Slot, ByteString.Empty));
            thread.SignalsTaken = remote.Signals(thread.Slot);
            thread.Usage = remote.Usage(thread.Slot);
        }
        image.Clocks = ClockReader.Read();
        image.Clocks.MonotonicNs += cell!.Clock.MonotonicOffsetNs;
        image.Clocks.BoottimeNs += cell.Clock.BoottimeOffsetNs;
        return new()
        {
            Described = new() { Image = image, MemoryPid = bodyPid, SnapshotUs = (ulong)Stopwatch.GetElapsedTime(begin).TotalMicroseconds },
        };
    }

    /// <summary>What it wanted when it came, unless it has been changed since: this node may have fewer processors than the next.</summary>
    private ByteString AffinityOf(uint slot, ByteString wanted)
    {
        byte[] now = Affinity.Of(Threads.InSlot(slot)!.Value.Here);
        return Affinity.Common(wanted.Span, Affinity.Of(cell!.InitPid)).AsSpan().SequenceEqual(now) ? wanted : ByteString.CopyFrom(now);
    }

    private bool WentOnWithSignal()
    {
        if (!Threads.All.Any(thread => EndsWait(frozen!, thread)))
            return false;
        remote!.Resume(OmEngine.EveryThread);
        frozen!.Dispose();
        frozen = null;
        return true;
    }

    private FromWarden Thaw(uint presented)
    {
        undoing = false;
        if (presented != 0 && presented != epoch)
        {
            epoch = presented;
            WriteRecord(runs: true);
        }
        return ThawWhenInForce();
    }

    private FromWarden StopAndThaw(uint presented)
    {
        Outcome<FrozenProcess> stopped = StopAll(Quiesce.Here);
        if (!stopped.Ok)
            return Replies.Failed(stopped.Failure);
        (frozen, State) = (stopped.Value, GuestState.RemoteFrozen);
        return Thaw(presented);
    }

    /// <summary>
    /// Home may be about to commit the move without knowing that this body is let go. So it says again that it is here: then home will not, or
    /// has expected another body already, and answers when it is decided.
    /// </summary>
    private FromWarden ThawWhenInForce()
    {
        remote!.Present(epoch);
        switch (remote.Start(ConfirmWithin))
        {
            case 0:
                return GoOnRunning();
            case -ESTALE:
                return Replies.Failed(Broken(Stage.Commit, $"epoch {epoch} is fenced", ESTALE));
            default:
                undoing = true; // Due says when home is heard
                return Replies.Done();
        }
    }

    private FromWarden GoOnRunning()
    {
        undoing = false;
        remote!.Resume(OmEngine.EveryThread);
        QueueWhileFrozen(frozen!);
        Outcome thawed = frozen!.Thaw();
        frozen.Dispose();
        frozen = null;
        cell!.Tighten(this);
        State = GuestState.Remote;
        Mover = null;
        return Replies.Of(thawed);
    }

    private FromWarden Discard()
    {
        State = GuestState.Ended;
        Decided(false);
        EndHandover();
        // Killed before it is let go: letting go of a stopped body would run it.
        if (bodyPidfd is not null)
            Processes.SendSignal(bodyPidfd, SIGKILL);
        restoring?.Dispose();
        frozen?.Dispose();
        LetGo();
        if (bodyPidfd is not null)
            Processes.WaitForEnd(bodyPidfd); // its pid is free then
        remote?.Dispose(); // not before: whoever has waited for its end hears of it from there (om_remote_death.c)
        released?.Invoke();
        if (cell?.Leave(this) == false)
            LogCgroupLeft(Key, cell.CgroupName);
        bodyPidfd?.Dispose();
        Forget();
        return Replies.Done();
    }

    /// <summary>Null: done.</summary>
    private Failure? OpenRemote()
    {
        remote = RemoteSide.Open(Context.Engine!, Key, epoch, bodyPid, image.Pid, bodyPidfd!, gate!.Side, home, AgentArea.Of(image), engineState, out int errno);
        if (remote is null)
            return Broken(Stage.Restore, "serving the remote", errno);
        foreach (ThreadImage thread in image.Threads)
        {
            int known = Threads.InSlot(thread.Slot) is { } here ? remote.Thread(thread.Slot, here.Here, thread.SignalsTaken) : 0;
            if (known < 0)
                return Broken(Stage.Restore, "serving a thread of the remote", -known);
            if (thread.Usage is { } used)
                remote.UsedBefore(thread.Slot, used);
            if (!thread.Affinity.IsEmpty)
                remote.MayRunOn(thread.Slot, thread.Affinity.Span);
        }
        if (image.Usage is { } before)
            remote.UsedBefore(before);
        return null;
    }

    /// <summary>What is left of a call that home was executing goes on being what is left.</summary>
    private void CarryOver(ThreadImage thread)
    {
        // 513 is of calls that had not begun.
        if (thread.Restart is 0 or ERESTARTNOINTR && thread.ResumedDone == 0)
            return;
        int number = (int)System.Runtime.InteropServices.MemoryMarshal.Read<Checkpoint.Tracing.Registers>(thread.Registers.Span).Rax;
        if (SyscallTable.Find(number) is not { Side: SyscallSide.Home })
            return;
        bool timed = thread.ResumedCall == (uint)number && thread.ResumedDeadlineNs != long.MaxValue;
        long now = ClockReader.Read().MonotonicNs + cell!.Clock.MonotonicOffsetNs;
        remote!.Rest(thread.Slot, number, timed ? (ulong)Math.Max(0, thread.ResumedDeadlineNs - now) : ulong.MaxValue, thread.ResumedDone);
    }

    /// <summary>Of this stay here.</summary>
    private string Name => $"{Key:x16}.{epoch}";

    int ICellBody.InnerPid => image.Pid;

    int ICellBody.HostPid => bodyPid;

    CellLimits ICellBody.Limits => limits;

    ulong ICellBody.ResidentBytes => Processes.ResidentBytes(bodyPid);

    // It would be a pity to lose the only body there is: home, or whom home finds, has more room.
    void ICellBody.MemoryIsShort() => _ = Queue.Run(() =>
    {
        if (State is not GuestState.Remote)
            return false;
        memoryIsShort = true;
        Context.Tell(new() { BringHome = new() { Key = Key, Reason = MemoryIsShort } });
        return true;
    });

    void ICellBody.BodyEnded(int waitStatus) => _ = Queue.Run(() =>
    {
        if (State is GuestState.Ended)
            return false;
        int signal = waitStatus & 0x7f;
        LogBodyEnded(Key, waitStatus);
        if (State is GuestState.Remote)
            WriteBackLast(Threads.All.First().Slot);
        if (State is GuestState.Remote && remote!.Ask(Structure.HomeRequest.Signalled, Structure.HomeRequest.Number(0, signal), out int errno) is null)
            LogHomeNotTold(Key, errno);
        Discard();
        Ended(waitStatus, "the body ended");
        return true;
    });

    [LoggerMessage(EventId = 310, Level = LogLevel.Warning, Message = "key {Key:x16}: cgroup {Name} not removed; swept at the next start")]
    private partial void LogCgroupLeft(ulong key, string name);

    [LoggerMessage(EventId = 311, Level = LogLevel.Information, Message = "key {Key:x16}: the body ended, wait status {Status:x}")]
    private partial void LogBodyEnded(ulong key, int status);

    [LoggerMessage(EventId = 312, Level = LogLevel.Warning, Message = "key {Key:x16}: home was not told of the body's end: errno {Errno}")]
    private partial void LogHomeNotTold(ulong key, int errno);
}
