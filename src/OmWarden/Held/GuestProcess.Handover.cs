// What of a remote outlives this warden: the cell's control socket (its end is what ends the cell), pidfds, the listener (without a duplicate the
// body's pending call would get ENOSYS, KERNEL.md 22), the engine's state, and a record of the rest.
using Microsoft.Win32.SafeHandles;
using OpenMosix.Protocol.V1;
using OpenMosix.Warden.Cell;
using OpenMosix.Warden.Handover;
using OpenMosix.Warden.Interop;

namespace OpenMosix.Warden.Held;

internal sealed partial class GuestProcess
{
    internal const string StoreKind = "guest";
    private static readonly string[] Stored = ["control", "init", "body", "listener", "engine", "record"];

    private Record<HandoverGuest>? record;
    private SafeFileHandle? engineState;

    private string StoreKey => $"{Key:x16}";
    internal string? CgroupName => cell?.CgroupName;

    /// <summary>A remote that an earlier warden kept; null when what it left is not whole, or had not run yet: then closing the socket has ended it.</summary>
    internal static GuestProcess? Adopt(string storeKey, DescriptorStore store, WardenContext context, Action<HeldProcess> ended)
    {
        SafeFileHandle?[] all = [.. Stored.Select(what => store.Take(StoreKind, storeKey, what))];
        var record = all[5] is { } memfd ? new Record<HandoverGuest>(memfd) : null;
        HandoverGuest? left = record?.Read(HandoverGuest.Parser);
        if (left is not { Runs: true } || all.Any(handle => handle is null))
        {
            foreach (SafeFileHandle? handle in all)
                handle?.Dispose();
            store.Drop(StoreKind, storeKey, Stored);
            return null;
        }
        context.TakenIds.Add(left.FirstId);
        var guest = new GuestProcess(new WardenRestore { Key = left.Key, Epoch = left.Epoch, Image = left.Image, Home = left.Home }, context, ended)
        {
            record = record,
            engineState = all[4],
            listener = all[3],
            firstId = left.FirstId,
            State = GuestState.Remote,
            cell = CellProcess.Adopt(all[0]!, all[1]!, left.InitPid, all[2]!, left.BodyPid, left.Cgroup, context.Cgroups,
                new(left.MonotonicOffsetNs, left.BoottimeOffsetNs)),
        };
        return guest;
    }

    /// <summary>Serves an adopted remote again. Home answers when it can; the body's calls wait for that.</summary>
    internal void TakeOver()
    {
        if (OpenRemote() is { } refused)
        {
            LogNotTakenOver(Key, refused.Message);
            EndFromHome(refused.Message);
            return;
        }
        Threads.Fill(remote!.Threads().Select(thread => new GuestThread(thread.Slot, Processes.InnermostTid(thread.Tid), thread.Tid)));
        WatchCell(cell!);
        GuardMemory();
        if (remote!.Start(TimeSpan.Zero) == -ESTALE)
            EndFromHome("a newer epoch is in force");
    }

    private void BeginHandover()
    {
        record = Record<HandoverGuest>.Create("om-guest-record");
        WriteRecord(runs: false);
        SafeFileHandle[] handles = [cell!.Control, cell.InitPidfd, cell.BodyPidfd, listener!, engineState!, record.Memfd];
        for (int i = 0; i < Stored.Length; i++)
            Context.Store.Keep(StoreKind, StoreKey, Stored[i], handles[i]);
    }

    private void WriteRecord(bool runs) => record?.Write(new()
    {
        Key = Key,
        Epoch = epoch,
        Home = home,
        Runs = runs,
        InitPid = cell!.InitPid,
        BodyPid = cell.BodyPid,
        Cgroup = cell.CgroupName,
        FirstId = firstId,
        MonotonicOffsetNs = cell.Clock.MonotonicOffsetNs,
        BoottimeOffsetNs = cell.Clock.BoottimeOffsetNs,
        Image = new()
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
        },
    });

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
