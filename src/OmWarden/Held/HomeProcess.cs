// A process at its home: frozen before a move, a deputy while its body is away, a skeleton being filled when the body returns.
// On its queue only. What fails before the claim ends in Native: the process goes on here, unchanged, and is forgotten.
using System.Diagnostics;
using Google.Protobuf;
using Microsoft.Extensions.Logging;
using Microsoft.Win32.SafeHandles;
using OpenMosix.Checkpoint.Freeze;
using OpenMosix.Checkpoint.Restore;
using OpenMosix.Checkpoint.Snapshot;
using OpenMosix.Checkpoint.Tracing;
using OpenMosix.Protocol.Errors;
using OpenMosix.Protocol.V1;
using OpenMosix.Warden.Control;
using OpenMosix.Warden.Forward;
using OpenMosix.Warden.Interop;

namespace OpenMosix.Warden.Held;

internal enum HomeState
{
    Native,
    /// <summary>Stopped, nothing in it changed.</summary>
    Frozen,
    /// <summary>A deputy with all its pages: until the body's claim is confirmed it can be taken back.</summary>
    DeputyKept,
    Deputy,
    /// <summary>The body's pages are being written into the skeleton.</summary>
    Returning,
    Returned,
}

internal sealed partial class HomeProcess : HeldProcess
{
    private const uint Leader = 0; // its slot
    private const long SYS_madvise = 28;
    private const int ESRCH = 3, EBUSY = 16;

    private readonly int pid;
    private readonly SafeFileHandle pidfd;
    private readonly ILogger<HomeProcess> log;
    private IReadOnlyList<SharedMemory> memory = []; // with which it may leave
    private ProcessImage? image;
    private FrozenProcess? frozen;
    private ProcessImage? returning; // the body that comes home
    private DeputyProcess? deputy;
    private RestoringProcess? restoring;
    private string bodyNode = "";
    private readonly Lock deciding = new();
    private bool? claimed;
    private ulong leaderKey; // of the group that moves; 0: none, or itself
    private ulong parentKey; // of the deputy that forked it
    private uint epoch;

    internal HomeProcess(ulong key, int pid, SafeFileHandle pidfd, WardenContext context)
        : base(key, context)
    {
        this.pid = pid;
        this.pidfd = pidfd;
        log = context.Logger<HomeProcess>();
    }

    internal HomeState State { get; private set; } = HomeState.Native;
    internal HomeSide? Side { get; private set; }
    /// <summary>How it ends, when the body said so; -1: not known, it is not our child.</summary>
    internal int ExpectedStatus { get; set; } = -1;
    internal int Pid => pid;
    /// <summary>It has begun a new program (execve), which stands before its first instruction: what has been a deputy is no more.</summary>
    internal Structure.ExecWatch? Executed { get; set; }
    internal SafeFileHandle Pidfd => pidfd;
    internal ulong AgentArea => deputy?.Area.Base.Value ?? 0;
    internal AgentArea Area => deputy!.Area;
    protected override bool IsReady => State is HomeState.Returned;
    internal bool Away => State is HomeState.DeputyKept or HomeState.Deputy;

    internal override FromWarden Handle(ToWarden request) => request.RequestCase switch
    {
        ToWarden.RequestOneofCase.Freeze when State is HomeState.Native or HomeState.Frozen => Freeze(request.Freeze),
        ToWarden.RequestOneofCase.Snapshot when State is HomeState.Frozen => Snapshot(),
        ToWarden.RequestOneofCase.Thaw when State is HomeState.Frozen => Thaw(),
        ToWarden.RequestOneofCase.Thaw when State is HomeState.DeputyKept => TakeBack(),
        ToWarden.RequestOneofCase.Deputize when State is HomeState.Frozen && image is not null => Deputize(request.Deputize),
        ToWarden.RequestOneofCase.Expect when Side is not null => Expect(request.Expect),
        ToWarden.RequestOneofCase.Committed when State is HomeState.DeputyKept => Committed(),
        ToWarden.RequestOneofCase.Committed when State is HomeState.Deputy => Replies.Done(),
        ToWarden.RequestOneofCase.Restore when State is HomeState.Deputy => Return(request.Restore),
        ToWarden.RequestOneofCase.Finish when State is HomeState.Returning => Finish(),
        ToWarden.RequestOneofCase.Run when State is HomeState.Returned => RunGroup(request.Run, () => Run(request.Run)),
        ToWarden.RequestOneofCase.Abort when State is HomeState.Returning or HomeState.Returned => AbortReturn(),
        _ => Unexpected(StageOf(State), State, request),
    };

    internal override void UndoMove()
    {
        switch (State)
        {
            case HomeState.Frozen:
                Thaw();
                break;
            case HomeState.DeputyKept:
                if (Context.Held.Find(leaderKey) is HomeProcess leader && leader.WasClaimed() || WasClaimed())
                    Committed();
                else
                    TakeBack();
                break;
            case HomeState.Returning or HomeState.Returned:
                AbortReturn();
                break;
        }
    }

    /// <summary>Whether the move happened is the claim's to say (decision 0001), not the daemon's: of a group, its leader's. Any thread; once asked, it stays so.</summary>
    private bool WasClaimed()
    {
        lock (deciding)
            return claimed ??= State is HomeState.Deputy || Side?.Expect(Context.Node, epoch + 1, takeBack: true) == 1;
    }

    internal override Protocol.V1.HeldProcess Describe()
    {
        OmEngine.om_counters counters = Side?.Counters() ?? default;
        return new()
        {
            Key = Key,
            Pid = pid,
            HomePid = pid,
            Epoch = epoch,
            Peer = bodyNode,
            Calls = counters.calls,
            BytesIn = counters.bytes_in,
            BytesOut = counters.bytes_out,
            Refused = counters.refused,
            Presented = Side?.Presented ?? 0,
            BringHome = Away ? whyHome : "",
            Role = State switch
            {
                HomeState.Frozen => Protocol.V1.HeldProcess.Types.Role.Frozen,
                HomeState.Returning or HomeState.Returned => Protocol.V1.HeldProcess.Types.Role.Restoring,
                _ => Protocol.V1.HeldProcess.Types.Role.Deputy,
            },
        };
    }

    private FromWarden Freeze(WardenFreeze request)
    {
        memory = request.Memory;
        if (State is HomeState.Frozen)
            return GuardFiles() is { } still ? Replies.Failed(Failures.Refused(Stage.Freeze, still)) : new() { Frozen = new() };
        long begin = Stopwatch.GetTimestamp();
        Outcome<FrozenProcess> stopped = FrozenProcess.Freeze(pid, new() { Deadline = Context.Sleepers.Deadline });
        if (!stopped.Ok)
            return Gone(Replies.Failed(stopped.Failure));
        frozen = stopped.Value;
        if (frozen.IsStopped)
        {
            frozen.Dispose();
            return Gone(Replies.Failed(Failures.Refused(Stage.Freeze, Refusals.Stopped())));
        }
        // Before it is looked again who has them.
        if (GuardFiles() is { } unguarded)
        {
            frozen.Dispose();
            return Gone(Replies.Failed(Failures.Refused(Stage.Freeze, unguarded)));
        }
        State = HomeState.Frozen;
        return new() { Frozen = new() { FreezeUs = (ulong)Stopwatch.GetElapsedTime(begin).TotalMicroseconds } };
    }

    private FromWarden Snapshot()
    {
        long begin = Stopwatch.GetTimestamp();
        Outcome<ProcessImage> described = frozen!.Snapshot(new() { Node = Context.Node, Memory = new(memory) });
        if (!described.Ok)
            return Replies.Failed(described.Failure);
        image = described.Value;
        foreach (ThreadImage thread in image.Threads)
            thread.Affinity = ByteString.CopyFrom(Affinity.Of(thread.Tid));
        return new()
        {
            Described = new() { Image = image, MemoryPid = pid, SnapshotUs = (ulong)Stopwatch.GetElapsedTime(begin).TotalMicroseconds },
        };
    }

    private FromWarden Thaw()
    {
        Outcome thawed = frozen!.Thaw();
        frozen.Dispose();
        return Gone(Replies.Of(thawed));
    }

    private FromWarden Deputize(WardenDeputize request)
    {
        if (Context.Engine is null)
            return Replies.Failed(Stage.Commit, "no link yet: the daemon has not configured this warden");
        Outcome<DeputyProcess> made = frozen!.Deputize(image!);
        if (!made.Ok)
            return Replies.Failed(made.Failure);
        deputy = made.Value;
        frozen.Dispose();
        frozen = null;
        epoch = request.Epoch;
        State = HomeState.DeputyKept;
        BeginHandover();
        if (TakeOver(out int errno) && Introduce(out errno))
            return Replies.Done();
        TakeBack();
        return Replies.Failed(Broken(Stage.Commit, "serving the deputy", errno));
    }

    private FromWarden Expect(WardenExpect request)
    {
        if (!request.TakeBack)
            leaderKey = request.Leader == Key ? 0 : request.Leader;
        int result = Side!.Expect(request.Node, request.Epoch, request.TakeBack, request.Presented);
        if (result == -EBUSY)
            return Replies.Failed(Stage.Commit, $"the body has gone on at {bodyNode} since it was frozen", EBUSY);
        if (result < 0)
            return Replies.Failed(Broken(Stage.Commit, $"expecting epoch {request.Epoch} of {request.Node}", -result));
        if (result == 0)
        {
            (epoch, bodyNode) = (request.Epoch, request.Node);
            WriteRecord();
        }
        return new() { Expected = new() { Claimed = result == 1 } };
    }

    private FromWarden Committed()
    {
        lock (Forking)
        {
            State = HomeState.Deputy;
            Mover = null;
            // Before the first page goes: from here on it cannot be taken back.
            WriteRecord();
            DropPages();
        }
        TellWanted();
        return Replies.Done();
    }

    private void DropPages()
    {
        Side!.Reserve(Leader, true);
        foreach (DropRange range in deputy!.Drop)
        {
            long result = Side.Call(Leader, SYS_madvise, [range.Address.Value, range.Bytes, (ulong)range.Advice]);
            // The move is done all the same; memory that stays is a cost, not a fault of the process.
            if (result == -ESRCH)
                break; // it has ended
            if (result < 0)
                LogKept(Key, range.Address.Value, range.Bytes, (int)-result);
        }
        Side.Reserve(Leader, false);
    }

    /// <summary>The body never ran elsewhere: the deputy becomes the process again.</summary>
    private FromWarden TakeBack()
    {
        var signals = Side is null ? [] : TakeSignals(image!);
        CloseSide();
        Outcome back = RestoringProcess.TakeBack(pid, image!, new() { Signals = signals });
        return Gone(Replies.Of(back));
    }

    private FromWarden Return(WardenRestore request)
    {
        long begin = Stopwatch.GetTimestamp();
        EndThreadsWithout(request.Image);
        Outcome<RestoringProcess> begun = RestoringProcess.BeginReturn(pid, request.Image, file => Context.Guards.Open(Key, file.Device, file.Inode));
        if (!begun.Ok)
            return Replies.Failed(begun.Failure);
        restoring = begun.Value;
        returning = request.Image;
        State = HomeState.Returning;
        return new()
        {
            Restoring = new()
            {
                MemoryPid = pid,
                FileBase = { restoring.FileBases },
                FileKept = { returning.Files.Select(file => file is { Written: true, Held: false }) },
                RestoreUs = (ulong)Stopwatch.GetElapsedTime(begin).TotalMicroseconds,
            },
        };
    }

    /// <summary>Made for a thread that the body did not get: its warden died in between.</summary>
    private void EndThreadsWithout(ProcessImage body)
    {
        var wanted = body.Threads.Select(thread => thread.Slot).ToHashSet();
        foreach ((uint slot, _) in Side!.Threads().Where(thread => !wanted.Contains(thread.Slot)))
            Side.Exit(slot, 0);
    }

    /// <summary>By slot, what reached the deputy and not the body.</summary>
    private Dictionary<uint, IReadOnlyList<byte[]>> TakeSignals(ProcessImage body) => body.Threads.ToDictionary(
        thread => thread.Slot,
        thread => (IReadOnlyList<byte[]>)[.. Side!.TakeSignals(thread.Slot, thread.SignalsTaken).Select(signal => signal.Siginfo)]);

    private FromWarden Finish()
    {
        Outcome<SafeFileHandle?> finished = restoring!.Finish(new() { Signals = TakeSignals(returning!) });
        if (!finished.Ok)
            return Replies.Failed(finished.Failure);
        State = HomeState.Returned;
        return Replies.Done();
    }

    private FromWarden Run(WardenRun request)
    {
        // From here on the body elsewhere is fenced; it was frozen before its pages were read.
        int fenced = Side!.Expect(Context.Node, request.Epoch, takeBack: false);
        if (fenced < 0)
            return Replies.Failed(Broken(Stage.Return, $"taking epoch {request.Epoch}", -fenced));
        CloseSide();
        Context.Sleepers.Remember(returning!);
        Outcome runs = restoring!.Run();
        restoring.Dispose();
        return Gone(Replies.Of(runs));
    }

    private FromWarden AbortReturn()
    {
        restoring!.Abort();
        restoring.Dispose();
        restoring = null;
        State = HomeState.Deputy;
        return Replies.Done();
    }

    /// <summary>The deputy has ended, whoever ended it: the body has to end too.</summary>
    internal void DeputyEnded()
    {
        if (State == HomeState.Native)
            return;
        Side?.Control(OmEngine.OM_CONTROL_GONE);
        EndUnclaimed();
        frozen?.Dispose();
        restoring?.Dispose();
        CloseSide();
        Executed?.Dispose();
        Gone(Replies.Done());
        Ended(ExpectedStatus, "the deputy ended"); // who hears it finds nothing of it any more
    }

    /// <summary>The deputy executes a new program (execve): it is native again.</summary>
    internal void EndIfExecuted()
    {
        if (Executed is null || Side is null)
            return;
        TellBegan(); // its claim may still be on its way to be told
        CloseSide();
        Context.Tell(new() { WentOn = new() { Key = Key } });
        Gone(Replies.Done());
        Executed.Dispose();
    }

    private FromWarden Gone(FromWarden reply)
    {
        State = HomeState.Native;
        Context.Guards.Remove(Key);
        EndHandover();
        deputy?.Dispose();
        pidfd.Dispose();
        Forget();
        return reply;
    }

    private void CloseSide()
    {
        Side?.End();
        Side?.Dispose();
        Side = null;
    }

    private static string StageOf(HomeState state) => state switch
    {
        HomeState.Returning or HomeState.Returned => Stage.Return,
        HomeState.DeputyKept => Stage.Commit,
        HomeState.Deputy => Stage.Forward,
        _ => Stage.Freeze,
    };

    [LoggerMessage(EventId = 210, Level = LogLevel.Warning, Message = "key {Key:x16}: {Bytes} bytes at {Address:x} not dropped: errno {Errno}")]
    private partial void LogKept(ulong key, ulong address, ulong bytes, int errno);
}
