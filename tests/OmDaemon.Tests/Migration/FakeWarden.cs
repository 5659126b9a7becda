// omwarden by its protocol: what it holds for each process, and what it answers to each request in each state. It obeys the rules of
// warden.proto and src/DESIGN.md; tests break it at chosen requests.
using OpenMosix.Daemon.Warden;
using OpenMosix.Protocol.V1;
using Request = OpenMosix.Protocol.V1.ToWarden.RequestOneofCase;
using Role = OpenMosix.Protocol.V1.HeldProcess.Types.Role;

namespace OpenMosix.Daemon.Tests.Migration;

internal enum Held
{
    Nothing,
    Native,      // home: the process executes here
    Frozen,      // home: native and stopped
    DeputyKept,  // home: a deputy with its pages
    Deputy,
    Returning,
    Returned,
    Restoring,   // guest
    Ready,
    Remote,      // guest: the body executes here
    RemoteFrozen,
}

internal sealed class FakeWarden(World world, string node, bool isHome) : IWarden
{
    private const int ESRCH = 3;

    private readonly Dictionary<ulong, FakeHeld> _held = World.Keys.ToDictionary(key => key, key => new FakeHeld(key, isHome ? Held.Native : Held.Nothing));

    /// <summary>Of the first process.</summary>
    public Held State
    {
        get => this[World.Key].State;
        set => this[World.Key].State = value;
    }

    /// <summary>Home: the epoch in force. Guest: its own. Of the first process.</summary>
    public uint Epoch => this[World.Key].Epoch;

    public bool IsConnected => true;

    public bool IsSettled => _held.Values.All(held => held.State is Held.Nothing or Held.Native or Held.Deputy or Held.Remote);

    /// <summary>Who shares memory, in the order in which it is asked; the last one holds on. None: nobody does.</summary>
    public Queue<WardenSharersReply> Sharers { get; } = [];

    public FakeHeld this[ulong key] => _held[key];

    public Task<WardenAnswer> AskAsync(ToWarden request, CancellationToken cancellationToken)
    {
        Fault? fault = world.Take(node, request.RequestCase.ToString(), KeyOf(request));
        return Task.FromResult(fault switch
        {
            Fault.Refused => new WardenAnswer.Failed(new Failure { Message = "refused by the test" }),
            Fault.LostBefore => new WardenAnswer.Unknown("lost before"),
            Fault.Restarted => Restart(),
            Fault.HostRestarted => world.Wardens["b"].Restart() is { } ? Answer(Handle(request)) : null!,
            Fault.LostAfter => Lose(Handle(request)),
            Fault.Ended => End(request),
            _ => Answer(Handle(request)),
        });
    }

    private static ulong KeyOf(ToWarden request) => request.RequestCase switch
    {
        Request.Freeze => request.Freeze.Key,
        Request.Snapshot => request.Snapshot.Key,
        Request.Thaw => request.Thaw.Key,
        Request.Deputize => request.Deputize.Key,
        Request.Expect => request.Expect.Key,
        Request.Committed => request.Committed.Key,
        Request.Restore => request.Restore.Key,
        Request.Finish => request.Finish.Key,
        Request.Run => request.Run.Key,
        Request.Abort => request.Abort.Key,
        Request.Discard => request.Discard.Key,
        _ => World.Key,
    };

    private static WardenAnswer Answer(FromWarden reply) => reply.Failure is { } failure ? new WardenAnswer.Failed(failure) : new WardenAnswer.Replied(reply);

    private static WardenAnswer Lose(FromWarden _) => new WardenAnswer.Unknown("lost after");

    private WardenAnswer Restart()
    {
        // What is decided for a group its leader's claim decides, before anything of it is undone.
        var claimed = _held.Values.Where(held => held.Claimed || (_held.GetValueOrDefault(held.Leader)?.Claimed ?? false)).ToHashSet();
        foreach (FakeHeld held in _held.Values)
        {
            switch (held.State)
            {
                case Held.Frozen:
                    held.State = Held.Native;
                    break;
                case Held.DeputyKept:
                    held.State = claimed.Contains(held) ? Held.Deputy : Held.Native;
                    break;
                case Held.Returning or Held.Returned:
                    held.State = Held.Deputy;
                    break;
                case Held.Restoring or Held.Ready:
                    held.State = Held.Nothing;
                    break;
                case Held.RemoteFrozen:
                    Thaw(held, 0);
                    break;
            }
        }
        return new WardenAnswer.Unknown("the daemon's connection ended");
    }

    /// <summary>Done; then the process ends, body and deputy, and the answer is lost.</summary>
    private WardenAnswer End(ToWarden request)
    {
        _ = Handle(request);
        foreach (FakeWarden warden in world.Wardens.Values)
            warden[KeyOf(request)].State = Held.Nothing;
        world.Ended.Add(KeyOf(request));
        return new WardenAnswer.Unknown("ended");
    }

    private FromWarden Handle(ToWarden request)
    {
        if (request.RequestCase == Request.Sharers)
            return new FromWarden { Sharers = Sharers.Count > 1 ? Sharers.Dequeue() : Sharers.Count > 0 ? Sharers.Peek() : new WardenSharersReply() };
        if (request.Freeze is { } freeze)
            world.Told.Add(freeze.Memory);
        FakeHeld held = this[KeyOf(request)];
        return (request.RequestCase, held.State) switch
        {
            (Request.Status, _) => Status(),
            (Request.Freeze, Held.Native) when request.Freeze.Pid == World.PidOf(held.Key) => Freeze(held, Held.Frozen),
            (Request.Freeze, Held.Remote) when request.Freeze.Pid == 0 => Freeze(held, Held.RemoteFrozen),
            (Request.Freeze, Held.Frozen) when request.Freeze.Pid == World.PidOf(held.Key) => Frozen(),
            (Request.Snapshot, Held.Frozen or Held.RemoteFrozen) => Snapshot(held),
            (Request.Thaw, Held.Frozen) => To(held, Held.Native),
            (Request.Thaw, Held.DeputyKept) => held.Claimed ? Failed("claimed") : To(held, Held.Native),
            (Request.Thaw, Held.RemoteFrozen) => Thaw(held, request.Thaw.Epoch),
            (Request.Deputize, Held.Frozen) => Deputize(held, request.Deputize.Epoch),
            (Request.Expect, Held.DeputyKept or Held.Deputy or Held.Returning or Held.Returned) => Expect(held, request.Expect),
            (Request.Committed, Held.DeputyKept) => To(held, Held.Deputy),
            (Request.Committed, Held.Deputy) => Done(),
            (Request.Restore, Held.Deputy) => To(held, Held.Returning, Restoring(request.Restore)),
            (Request.Restore, Held.Nothing) => Build(held, request.Restore),
            (Request.Finish, Held.Returning) => To(held, Held.Returned),
            (Request.Finish, Held.Restoring) => To(held, Held.Ready),
            (Request.Run, Held.Returned or Held.Ready) => RunGroup(held, request.Run),
            (Request.Run, Held.Remote) when request.Run.Epoch == held.Epoch => Done(),
            (Request.Abort, Held.Returning or Held.Returned) => To(held, Held.Deputy),
            (Request.Abort, Held.Restoring or Held.Ready) => To(held, Held.Nothing),
            (Request.Discard, not (Held.Nothing or Held.Native)) => To(held, Held.Nothing),
            (Request.Thaw or Request.Abort or Request.Discard, Held.Nothing or Held.Native) => Done(),
            (Request.Freeze, Held.Nothing) => new FromWarden { Failure = new Failure { Message = "no process", Errno = ESRCH } },
            _ => Failed($"{request.RequestCase} does not fit {held.State}"),
        };
    }

    private FromWarden Status()
    {
        var reply = new WardenStatusReply();
        foreach (FakeHeld held in _held.Values.Where(held => held.State is not (Held.Nothing or Held.Native)))
        {
            Role role = held.State switch
            {
                Held.DeputyKept or Held.Deputy => Role.Deputy,
                Held.Frozen or Held.RemoteFrozen => Role.Frozen,
                Held.Remote => Role.Remote,
                _ => Role.Restoring,
            };
            reply.Processes.Add(new HeldProcess
            {
                Key = held.Key,
                Pid = World.PidOf(held.Key),
                Epoch = held.Epoch,
                Role = role,
                Presented = held.Presented,
                Peer = isHome ? held.ExpectedNode : World.Home,
            });
        }
        return new FromWarden { Status = reply };
    }

    private FromWarden Thaw(FakeHeld held, uint epoch)
    {
        FakeHeld home = world.Wardens[World.Home][held.Key];
        uint presented = epoch == 0 ? held.Epoch : epoch;
        if (!home.Claim(presented, node))
            return home.MayClaimLater(presented, node) ? Done() : Failed("fenced");
        held.Epoch = presented;
        return To(held, Held.Remote);
    }

    private FromWarden Deputize(FakeHeld held, uint epoch)
    {
        (held.Epoch, held.Claimed, held.ExpectedNode) = (epoch, false, "");
        return To(held, Held.DeputyKept);
    }

    private static FromWarden Expect(FakeHeld held, WardenExpect expect)
    {
        if (expect.TakeBack && held.Claimed)
            return new FromWarden { Expected = new WardenExpected { Claimed = true } };
        if (expect.Epoch < held.Epoch)
            return Failed("stale");
        if (expect.Presented != 0 && expect.Presented != held.Presented)
            return Failed("the body has gone on");
        if (!expect.TakeBack)
            held.Leader = expect.Leader == held.Key ? 0 : expect.Leader;
        held.Expect(expect.Epoch, expect.Node);
        return new FromWarden { Expected = new WardenExpected() };
    }

    private FromWarden Build(FakeHeld held, WardenRestore restore)
    {
        if (restore.Beside != 0 && this[restore.Beside].State != Held.Ready)
            return Failed("nothing of its group is ready");
        held.Epoch = restore.Epoch;
        return To(held, Held.Restoring, Restoring(restore));
    }

    private FromWarden RunGroup(FakeHeld leader, WardenRun run)
    {
        var others = run.Others.Select(other => (this[other.Key], other)).ToList();
        FromWarden reply = others.All(other => other.Item1.State == leader.State) ? Run(leader, run.Epoch) : Failed("one of its group is not ready");
        foreach ((FakeHeld other, WardenRun its) in others.Where(other => other.Item1.State is Held.Ready or Held.Returned))
            _ = reply.Failure is null ? Run(other, its.Epoch) : To(other, other.State == Held.Returned ? Held.Deputy : Held.Nothing);
        return reply;
    }

    private FromWarden Run(FakeHeld held, uint epoch)
    {
        if (held.State == Held.Returned)
        {
            (held.Epoch, held.ExpectedNode) = (epoch, node);
            return To(held, Held.Native);
        }
        return epoch == held.Epoch && world.Wardens[World.Home][held.Key].Claim(epoch, node) ? To(held, Held.Remote) : Failed("fenced");
    }

    private FromWarden To(FakeHeld held, Held state, FromWarden? reply = null)
    {
        held.State = state;
        world.Look();
        return reply ?? Done();
    }

    private static FromWarden Done() => new() { Done = new WardenDone() };

    private FromWarden Freeze(FakeHeld held, Held state)
    {
        world.Frozen.Add(held.Key);
        return To(held, state, Frozen());
    }

    private static FromWarden Frozen() => new() { Frozen = new WardenFrozen { FreezeUs = 1 } };

    private FromWarden Snapshot(FakeHeld held)
    {
        world.Described.Add(held.Key);
        return new() { Described = new WardenDescribed { Image = World.Image(held.Key), MemoryPid = World.PidOf(held.Key), SnapshotUs = 1 } };
    }

    private FromWarden Restoring(WardenRestore restore)
    {
        world.Restored.Add(restore);
        return new() { Restoring = new WardenRestoring { MemoryPid = World.PidOf(restore.Key), RestoreUs = 1 } };
    }

    private static FromWarden Failed(string why) => new() { Failure = new Failure { Message = why } };
}

/// <summary>One process, at its home or as a guest.</summary>
internal sealed class FakeHeld(ulong key, Held state)
{
    private string _formerNode = "";
    private uint _formerEpoch;

    public ulong Key => key;
    public Held State { get; set; } = state;
    public uint Epoch { get; set; }
    public string ExpectedNode { get; set; } = "";
    public bool Claimed { get; set; }
    public uint Presented { get; private set; }
    public ulong Leader { get; set; }

    public bool BodyRuns => State is Held.Native or Held.Remote;

    /// <summary>A body presents itself on the link.</summary>
    public bool Claim(uint epoch, string by)
    {
        if (epoch != Epoch || by != ExpectedNode)
            return false;
        Claimed = true;
        Presented++;
        return true;
    }

    /// <summary>Where it was before the epoch in force, which is not claimed: it hears later.</summary>
    public bool MayClaimLater(uint epoch, string by) => !Claimed && epoch == _formerEpoch && by == _formerNode;

    public void Expect(uint epoch, string node)
    {
        if (Claimed)
            (_formerEpoch, _formerNode) = (Epoch, ExpectedNode);
        if (epoch != Epoch || node != ExpectedNode)
            (Epoch, ExpectedNode, Claimed) = (epoch, node, false);
    }
}
