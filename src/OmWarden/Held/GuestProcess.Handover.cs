// What of a remote outlives this warden: its pidfd, the engine's state, and a record of the rest; and its cell (SharedCell).
using Microsoft.Win32.SafeHandles;
using OpenMosix.Protocol.V1;
using OpenMosix.Warden.Cell;
using OpenMosix.Warden.Handover;
using OpenMosix.Warden.Interop;

namespace OpenMosix.Warden.Held;

internal sealed partial class GuestProcess
{
    internal const string StoreKind = "guest";
    private static readonly string[] Stored = ["body", "engine", "record"];

    private Record<HandoverGuest>? record;
    private SafeFileHandle? engineState;

    private string StoreKey => $"{Key:x16}";

    /// <summary>A remote that an earlier warden kept; null when what it left is not whole, or had not run yet: it ends with its cell.</summary>
    internal static GuestProcess? Adopt(string storeKey, WardenContext context, Func<string, SharedCell?> cells)
    {
        SafeFileHandle?[] all = [.. Stored.Select(what => context.Store.Take(StoreKind, storeKey, what))];
        var record = all[2] is { } memfd ? new Record<HandoverGuest>(memfd) : null;
        HandoverGuest? left = record?.Read(HandoverGuest.Parser);
        SharedCell? cell = left is { Runs: true } && all.All(handle => handle is not null) ? cells(left.Cell) : null;
        CellGate? gate = cell?.Gate(left!.Gate);
        if (gate is null)
        {
            foreach (SafeFileHandle? handle in all)
                handle?.Dispose();
            context.Store.Drop(StoreKind, storeKey, Stored);
            return null;
        }
        var guest = new GuestProcess(left!.Key, left.Epoch, left.Image, left.Home, context)
        {
            record = record,
            engineState = all[1],
            State = GuestState.Remote,
            limits = left.Limits ?? new(),
            cell = cell,
            gate = gate,
            bodyPid = left.BodyPid,
            bodyPidfd = all[0],
        };
        cell!.Join(guest);
        return guest;
    }

    /// <summary>Opens an adopted remote again, before its cell serves.</summary>
    internal void Reopen()
    {
        if (OpenRemote() is { } refused)
        {
            LogNotTakenOver(Key, refused.Message);
            EndFromHome(refused.Message);
            return;
        }
        cell!.Written.Keep(bodyPid);
        Threads.Fill(remote!.Threads().Select(thread => new GuestThread(thread.Slot, Processes.InnermostTid(thread.Tid), thread.Tid)));
    }

    /// <summary>Serves an adopted remote again. Home answers when it can; the body's calls wait for that.</summary>
    internal void TakeOver()
    {
        if (State is GuestState.Ended)
            return;
        cell!.GuardMemory();
        if (remote!.Start(TimeSpan.Zero) == -ESTALE)
            EndFromHome("a newer epoch is in force");
    }

    private void BeginHandover()
    {
        record = Record<HandoverGuest>.Create("om-guest-record");
        WriteRecord(runs: false);
        SafeFileHandle[] handles = [bodyPidfd!, engineState!, record.Memfd];
        for (int i = 0; i < Stored.Length; i++)
            Context.Store.Keep(StoreKind, StoreKey, Stored[i], handles[i]);
    }

    private void WriteRecord(bool runs) => record?.Write(new()
    {
        Key = Key,
        Epoch = epoch,
        Home = home,
        Runs = runs,
        Cell = cell!.Name,
        Gate = gate!.Name,
        BodyPid = bodyPid,
        Image = ForRecord(image),
        Limits = limits,
    });

    private static ProcessImage ForRecord(ProcessImage image) => new()
    {
        Version = image.Version,
        Pid = image.Pid,
        HomeHostname = image.HomeHostname,
        AgentArea = image.AgentArea,
        AgentSlots = image.AgentSlots,
        Threads = { image.Threads.Select(thread => new ThreadImage
        {
            Slot = thread.Slot,
            Usage = thread.Usage,
            Affinity = thread.Affinity,
            ResumedCall = thread.ResumedCall,
            ResumedDeadlineNs = thread.ResumedDeadlineNs,
        }) },
        Actions = { image.Actions },
        Usage = image.Usage,
    };

    private void EndHandover()
    {
        if (record is null)
            return;
        Context.Store.Drop(StoreKind, StoreKey, Stored);
        record.Memfd.Dispose();
        engineState?.Dispose();
        record = null;
    }

    [Microsoft.Extensions.Logging.LoggerMessage(EventId = 330, Level = Microsoft.Extensions.Logging.LogLevel.Error, Message = "key {Key:x16}: not taken over: {Why}")]
    private partial void LogNotTakenOver(ulong key, string why);
}
