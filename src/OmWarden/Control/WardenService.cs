// Takes the daemon's requests to the process they are about, and what the engine reports to the same place. Owns the table of what is
// held. Requests of one key run one after the other on that key's queue; different keys run side by side.
using Microsoft.Extensions.Logging;
using OpenMosix.Checkpoint.Snapshot;
using OpenMosix.Protocol.Errors;
using OpenMosix.Protocol.V1;
using OpenMosix.Warden.Forward;
using OpenMosix.Warden.Held;
using OpenMosix.Warden.Interop;
using Request = OpenMosix.Protocol.V1.ToWarden.RequestOneofCase;

namespace OpenMosix.Warden.Control;

internal sealed partial class WardenService(WardenContext context, ILogger<WardenService> log) : IRequestHandler, ILinkEvents
{
    private const uint AbiVersion = 2;
    private const int ESRCH = 3, EIO = 5;
    private static readonly TimeSpan TurnWithin = TimeSpan.FromSeconds(1);

    private readonly HeldProcesses held = context.Held;
    private readonly SerialQueue configuration = new();

    public Task<FromWarden> HandleAsync(ControlConnection from, ToWarden request) => request.RequestCase switch
    {
        Request.Status => StatusAsync(),
        Request.Configure => configuration.Run(() => Configure(request.Configure)),
        Request.Peer => configuration.Run(() => Peer(request.Peer)),
        Request.Inspect => Task.Run(() => Inspect(from, request.Inspect)),
        Request.Sharers => Task.Run(() => new FromWarden { Sharers = Sharing(from, request.Sharers.Pid) }),
        Request.None => Task.FromResult(Replies.Failed("", "a request this warden does not know")),
        _ => OnProcess(from, request),
    };

    public async Task ConnectionEndedAsync(ControlConnection from)
    {
        foreach (Held.HeldProcess process in held.All)
            await process.Queue.Run(() =>
            {
                if (process.Mover != from)
                    return false;
                process.Mover = null;
                if (process.Bound || process.AwaitsHome)
                    return false;
                LogUndo(process.Key);
                process.UndoMove();
                return true;
            }).ConfigureAwait(false);
    }

    public void Claimed(ulong key, uint epoch)
    {
        context.Tell(new() { Claimed = new() { Key = key, Epoch = epoch } });
        (held.Find(key) as HomeProcess)?.TellBegan();
    }

    public void DeputyGone(ulong key) => On<HomeProcess>(key, process => process.DeputyEnded());

    public void AskedHome(ulong key, ulong call, uint kind, ReadOnlySpan<byte> request)
    {
        if (held.Find(key) is HomeProcess { Side: { } side } process)
            side.Reply(call, Answer(process, side, kind, request));
        // Not before: the body's side waits for the reply.
        On<HomeProcess>(key, home => home.EndIfExecuted());
    }

    public void Guarded(ulong key, int number) => (held.Find(key) as HomeProcess)?.Wanted($"{Protocol.Syscalls.SyscallTable.NameOf(number)} of a file that is mapped");

    private byte[] Answer(HomeProcess process, HomeSide side, uint kind, ReadOnlySpan<byte> request)
    {
        try
        {
            return Structure.HomeAnswers.Answer(process, side, kind, request);
        }
        catch (Exception bug)
        {
            LogBug(bug, process.Key); // below us is the engine, which knows no exceptions
            return Structure.HomeRequest.Result(-EIO);
        }
    }

    public void Structural(ulong key, StructuralCall call) => On<GuestProcess>(key, process => process.Conduct(call));

    public void Signalled(ulong key, ArrivedSignal signal)
    {
        if (held.Find(key) is GuestProcess process && process.Signals.Add(signal))
            On<GuestProcess>(key, guest =>
            {
                guest.Signals.Begin();
                guest.DeliverSignals();
            });
    }

    public void Due(ulong key, uint slot) => On<GuestProcess>(key, guest => guest.Due(slot));

    public void Controlled(ulong key, uint what) => On<GuestProcess>(key, process => process.Controlled(what));

    public void LinkChanged(string node, bool up, string why)
    {
        LogLink(node, up ? "up" : "down", why);
        context.Tell(new() { Link = new() { Node = node, Up = up, Why = why } });
    }

    private void On<T>(ulong key, Action<T> work) where T : Held.HeldProcess
    {
        if (held.Find(key) is not T process)
            return;
        _ = process.Queue.Run(() =>
        {
            try
            {
                work(process);
            }
            catch (Exception bug)
            {
                // Nobody waits for this task; the process stays as it is and the log says why.
                LogBug(bug, key);
            }
            return true;
        });
    }

    private async Task<FromWarden> OnProcess(ControlConnection from, ToWarden request)
    {
        ulong key = KeyOf(request);
        if (key == 0)
            return Replies.Failed("", $"{request.RequestCase} without a key");
        while (true)
        {
            Held.HeldProcess? process = held.Find(key);
            if (process is null)
            {
                process = Begin(request, out FromWarden? refused);
                if (process is null)
                    return refused!;
                if (!held.TryAdd(process))
                    return Replies.Failed(Stage.Freeze, "another request with this key came first");
            }
            FromWarden? reply = await process.Queue.Run(() =>
            {
                // It ended while this waited for its turn; a body that comes back to a node is another guest there.
                if (held.Find(key) != process)
                    return null;
                if (request.RequestCase is Request.Freeze or Request.Restore)
                    process.Mover = from;
                return process.Handle(request);
            }).ConfigureAwait(false);
            if (reply is not null)
                return reply;
        }
    }

    private Held.HeldProcess? Begin(ToWarden request, out FromWarden? refused)
    {
        refused = null;
        switch (request.RequestCase)
        {
            case Request.Restore:
                if (request.Restore.Image is null || request.Restore.Home.Length == 0)
                {
                    refused = Replies.Failed(Stage.Restore, "restore needs an image and a home");
                    return null;
                }
                return new GuestProcess(request.Restore.Key, request.Restore.Epoch, request.Restore.Image, request.Restore.Home, context);
            case Request.Freeze when request.Freeze.Pid > 0 && held.AtHome.FirstOrDefault(process => process.Pid == request.Freeze.Pid) is { } away:
                refused = Replies.Failed(Stage.Freeze, $"process {request.Freeze.Pid} is held under key {away.Key:x16}");
                return null;
            case Request.Freeze when request.Freeze.Pid > 0:
                if (Processes.OpenPidfd(request.Freeze.Pid) is { } pidfd)
                    return new HomeProcess(request.Freeze.Key, request.Freeze.Pid, pidfd, context);
                refused = Replies.Failed(Stage.Freeze, $"no process {request.Freeze.Pid}", ESRCH);
                return null;
            // Their aim is reached already: a daemon that repeats itself after a lost answer is not to be told of a failure.
            case Request.Thaw or Request.Abort or Request.Discard:
                refused = Replies.Done();
                return null;
            default:
                refused = Replies.Failed(Stage.Forward, $"{request.RequestCase}: nothing is held under key {KeyOf(request):x16}", ESRCH);
                return null;
        }
    }

    private FromWarden Inspect(ControlConnection from, WardenInspect request)
    {
        WardenSharersReply sharing = Sharing(from, request.Pid);
        Refusal? refusal = sharing.Refusal ?? Inspection.Inspect(request.Pid, new(sharing.Memory));
        return refusal is null ? Replies.Done() : Replies.Failed(Failures.Refused(Stage.Freeze, refusal));
    }

    private WardenSharersReply Sharing(ControlConnection from, int pid)
    {
        var deputies = held.AtHome.Where(process => process.AgentArea != 0).ToDictionary(process => process.Pid, process => (process.AgentArea, process.Area.End.Value));
        return Sharers.Find(pid, deputies.GetValueOrDefault, from.PeerPid);
    }

    /// <summary>What is held, after what was asked before; a process that takes long (an execve at home) is described as it looks from outside.</summary>
    private async Task<FromWarden> StatusAsync()
    {
        var described = held.All.Select(async process =>
        {
            Task<Protocol.V1.HeldProcess?> inTurn = process.Queue.Run(() => held.Find(process.Key) is not null ? process.Describe() : null);
            return await Task.WhenAny(inTurn, Task.Delay(TurnWithin)).ConfigureAwait(false) == inTurn ? await inTurn.ConfigureAwait(false) : process.Describe();
        });
        Protocol.V1.HeldProcess?[] all = await Task.WhenAll(described).ConfigureAwait(false);
        return new()
        {
            Status = new()
            {
                Processes = { all.OfType<Protocol.V1.HeldProcess>() },
                LinkPort = (uint)Math.Max(context.Engine?.Port ?? 0, 0),
                AbiVersion = AbiVersion,
            },
        };
    }

    private static ulong KeyOf(ToWarden request) => request.RequestCase switch
    {
        Request.Freeze => request.Freeze.Key,
        Request.Snapshot => request.Snapshot.Key,
        Request.Thaw => request.Thaw.Key,
        Request.Restore => request.Restore.Key,
        Request.Finish => request.Finish.Key,
        Request.Abort => request.Abort.Key,
        Request.Deputize => request.Deputize.Key,
        Request.Expect => request.Expect.Key,
        Request.Run => request.Run.Key,
        Request.Committed => request.Committed.Key,
        Request.Discard => request.Discard.Key,
        _ => 0,
    };

    [LoggerMessage(EventId = 121, Level = LogLevel.Warning, Message = "key {Key:x16}: the daemon is gone in the middle of a move, undone")]
    private partial void LogUndo(ulong key);

    [LoggerMessage(EventId = 122, Level = LogLevel.Information, Message = "link to {Node} {State}: {Why}")]
    private partial void LogLink(string node, string state, string why);

    [LoggerMessage(EventId = 123, Level = LogLevel.Error, Message = "key {Key:x16}: unexpected")]
    private partial void LogBug(Exception bug, ulong key);
}
