// omwarden by its protocol: what it holds for one process, and what it answers to each request in each state. It obeys the rules of
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
    private string _expectedNode = "";
    private string _formerNode = "";
    private uint _formerEpoch;
    private bool _claimed;
    private uint _presented;

    public Held State { get; set; } = isHome ? Held.Native : Held.Nothing;

    /// <summary>Home: the epoch in force. Guest: its own.</summary>
    public uint Epoch { get; set; }

    public bool IsConnected => true;

    public bool BodyRuns => State is Held.Native or Held.Remote;

    public bool IsSettled => State is Held.Nothing or Held.Native or Held.Deputy or Held.Remote;

    public void StartAway(string body, uint epoch) => (State, Epoch, _expectedNode, _claimed) = (Held.Deputy, epoch, body, true);

    public Task<WardenAnswer> AskAsync(ToWarden request, CancellationToken cancellationToken)
    {
        Fault? fault = world.Take(node, request.RequestCase.ToString());
        return Task.FromResult(fault switch
        {
            Fault.Refused => new WardenAnswer.Failed(new Failure { Message = "refused by the test" }),
            Fault.LostBefore => new WardenAnswer.Unknown("lost before"),
            Fault.Restarted => Restart(),
            Fault.HostRestarted => world.Wardens["b"].Restart() is { } ? Answer(Handle(request)) : null!,
            Fault.LostAfter => Lose(Handle(request)),
            _ => Answer(Handle(request)),
        });
    }

    /// <summary>A body presents itself on the link.</summary>
    public bool Claim(uint epoch, string by)
    {
        if (epoch != Epoch || by != _expectedNode)
            return false;
        _claimed = true;
        _presented++;
        return true;
    }

    /// <summary>Where it was before the epoch in force, which is not claimed: it hears later.</summary>
    private bool MayClaimLater(uint epoch, string by) => !_claimed && epoch == _formerEpoch && by == _formerNode;

    private static WardenAnswer Answer(FromWarden reply) => reply.Failure is { } failure ? new WardenAnswer.Failed(failure) : new WardenAnswer.Replied(reply);

    private static WardenAnswer Lose(FromWarden _) => new WardenAnswer.Unknown("lost after");

    private WardenAnswer Restart()
    {
        switch (State)
        {
            case Held.Frozen:
                State = Held.Native;
                break;
            case Held.DeputyKept:
                State = _claimed ? Held.Deputy : Held.Native;
                break;
            case Held.Returning or Held.Returned:
                State = Held.Deputy;
                break;
            case Held.Restoring or Held.Ready:
                State = Held.Nothing;
                break;
            case Held.RemoteFrozen:
                Thaw(0);
                break;
        }
        return new WardenAnswer.Unknown("the daemon's connection ended");
    }

    private FromWarden Handle(ToWarden request) => (request.RequestCase, State) switch
    {
        (Request.Status, _) => Status(),
        (Request.Freeze, Held.Native) when request.Freeze.Pid == World.Pid => To(Held.Frozen, Frozen()),
        (Request.Freeze, Held.Remote) when request.Freeze.Pid == 0 => To(Held.RemoteFrozen, Frozen()),
        (Request.Thaw, Held.Frozen) => To(Held.Native),
        (Request.Thaw, Held.DeputyKept) => _claimed ? Failed("claimed") : To(Held.Native),
        (Request.Thaw, Held.RemoteFrozen) => Thaw(request.Thaw.Epoch),
        (Request.Deputize, Held.Frozen) => Deputize(request.Deputize.Epoch),
        (Request.Expect, Held.DeputyKept or Held.Deputy or Held.Returning or Held.Returned) => Expect(request.Expect),
        (Request.Committed, Held.DeputyKept) => To(Held.Deputy),
        (Request.Committed, Held.Deputy) => Done(),
        (Request.Restore, Held.Deputy) => To(Held.Returning, Restoring()),
        (Request.Restore, Held.Nothing) => Build(request.Restore.Epoch),
        (Request.Finish, Held.Returning) => To(Held.Returned),
        (Request.Finish, Held.Restoring) => To(Held.Ready),
        (Request.Run, Held.Returned) => RunAtHome(request.Run.Epoch),
        (Request.Run, Held.Ready) => RunHere(request.Run.Epoch),
        (Request.Abort, Held.Returning or Held.Returned) => To(Held.Deputy),
        (Request.Abort, Held.Restoring or Held.Ready) => To(Held.Nothing),
        (Request.Discard, not (Held.Nothing or Held.Native)) => To(Held.Nothing),
        (Request.Thaw or Request.Abort or Request.Discard, Held.Nothing or Held.Native) => Done(),
        _ => Failed($"{request.RequestCase} does not fit {State}"),
    };

    private FromWarden Status()
    {
        var reply = new WardenStatusReply();
        Role role = State switch
        {
            Held.DeputyKept or Held.Deputy => Role.Deputy,
            Held.Frozen or Held.RemoteFrozen => Role.Frozen,
            Held.Remote => Role.Remote,
            _ => Role.Restoring,
        };
        if (State is not (Held.Nothing or Held.Native))
            reply.Processes.Add(new HeldProcess { Key = World.Key, Pid = World.Pid, Epoch = Epoch, Role = role, Presented = _presented, Peer = isHome ? _expectedNode : World.Home });
        return new FromWarden { Status = reply };
    }

    private FromWarden Thaw(uint epoch)
    {
        FakeWarden home = world.Wardens[World.Home];
        uint presented = epoch == 0 ? Epoch : epoch;
        if (!home.Claim(presented, node))
            return home.MayClaimLater(presented, node) ? Done() : Failed("fenced");
        Epoch = presented;
        return To(Held.Remote);
    }

    private FromWarden Deputize(uint epoch)
    {
        (Epoch, _claimed, _expectedNode) = (epoch, false, "");
        return To(Held.DeputyKept);
    }

    private FromWarden Expect(WardenExpect expect)
    {
        if (expect.TakeBack && _claimed)
            return new FromWarden { Expected = new WardenExpected { Claimed = true } };
        if (expect.Epoch < Epoch)
            return Failed("stale");
        if (expect.Presented != 0 && expect.Presented != _presented)
            return Failed("the body has gone on");
        if (_claimed)
            (_formerEpoch, _formerNode) = (Epoch, _expectedNode);
        if (expect.Epoch != Epoch || expect.Node != _expectedNode)
            (Epoch, _expectedNode, _claimed) = (expect.Epoch, expect.Node, false);
        return new FromWarden { Expected = new WardenExpected() };
    }

    private FromWarden Build(uint epoch)
    {
        Epoch = epoch;
        return To(Held.Restoring, Restoring());
    }

    private FromWarden RunHere(uint epoch) =>
        epoch == Epoch && world.Wardens[World.Home].Claim(epoch, node) ? To(Held.Remote) : Failed("fenced");

    private FromWarden RunAtHome(uint epoch)
    {
        (Epoch, _expectedNode) = (epoch, node);
        return To(Held.Native);
    }

    private FromWarden To(Held state, FromWarden? reply = null)
    {
        State = state;
        world.Look();
        return reply ?? Done();
    }

    private static FromWarden Done() => new() { Done = new WardenDone() };

    private static FromWarden Frozen() => new() { Frozen = new WardenFrozen { Image = World.Image(), MemoryPid = World.Pid, FreezeUs = 1, SnapshotUs = 1 } };

    private static FromWarden Restoring() => new() { Restoring = new WardenRestoring { MemoryPid = World.Pid, RestoreUs = 1 } };

    private static FromWarden Failed(string why) => new() { Failure = new Failure { Message = why } };
}
