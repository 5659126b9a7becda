// What of a deputy outlives this warden: its pidfd, the arena, the engine's state, and a record of the rest.
using Microsoft.Win32.SafeHandles;
using OpenMosix.Checkpoint.Restore;
using OpenMosix.Checkpoint.Tracing;
using OpenMosix.Protocol.V1;
using OpenMosix.Warden.Forward;
using OpenMosix.Warden.Handover;
using OpenMosix.Warden.Interop;

namespace OpenMosix.Warden.Held;

internal sealed partial class HomeProcess
{
    internal const string StoreKind = "home";
    private const int ENOMEM = 12;

    private Record<HandoverHome>? record;
    private SafeFileHandle? engineState;

    private string StoreKey => $"{Key:x16}";

    /// <summary>A deputy that an earlier warden kept; null when what it left is not whole.</summary>
    internal static HomeProcess? Adopt(string storeKey, WardenContext context)
    {
        DescriptorStore store = context.Store;
        SafeFileHandle? pidfd = store.Take(StoreKind, storeKey, "pidfd"), arena = store.Take(StoreKind, storeKey, "arena"),
            state = store.Take(StoreKind, storeKey, "engine"), memfd = store.Take(StoreKind, storeKey, "record");
        var record = memfd is null ? null : new Record<HandoverHome>(memfd);
        if (pidfd is null || arena is null || state is null || record?.Read(HandoverHome.Parser) is not { } left)
        {
            store.Drop(StoreKind, storeKey, "pidfd", "arena", "engine", "record");
            return null;
        }
        return new(left.Key, left.Pid, pidfd, context)
        {
            record = record,
            engineState = state,
            epoch = left.Epoch,
            bodyNode = left.BodyNode,
            parentKey = left.ParentKey,
            leaderKey = left.LeaderKey,
            image = left.Kept,
            guarded = left.Guarded,
            State = left.Kept is null ? HomeState.Deputy : HomeState.DeputyKept,
            deputy = new(left.Pid, new AgentArea(new RemoteAddress(left.AgentArea), left.AgentSlots), [], arena,
                [.. left.Drop.Select(range => new DropRange(new RemoteAddress(range.Address), range.Bytes, range.Advice))]),
        };
    }

    /// <summary>Serves an adopted deputy again. False and errno when the engine refuses.</summary>
    internal bool TakeOver(out int errno)
    {
        Side = HomeSide.Open(Context.Engine!, Key, pid, pidfd, deputy!.Arena, deputy.Area, engineState, out errno);
        told = Side?.Presented > 0; // else its body begins under this warden
        if (Side is null || GuardServed())
            return Side is not null;
        errno = ENOMEM;
        return false;
    }

    /// <summary>A new deputy's threads are made known. False and errno when the engine refuses.</summary>
    private bool Introduce(out int errno)
    {
        errno = 0;
        foreach (DeputyThread thread in deputy!.Threads)
            if (errno == 0)
                errno = -Side!.Thread(thread.Slot, thread.Tid);
        return errno == 0;
    }

    private void BeginHandover()
    {
        engineState = Memfd.Create("om-home", OmEngine.StateBytes(deputy!.Area.Slots));
        record = Record<HandoverHome>.Create("om-home-record");
        WriteRecord();
        Context.Store.Keep(StoreKind, StoreKey, "pidfd", pidfd);
        Context.Store.Keep(StoreKind, StoreKey, "arena", deputy!.Arena);
        Context.Store.Keep(StoreKind, StoreKey, "engine", engineState);
        Context.Store.Keep(StoreKind, StoreKey, "record", record.Memfd);
    }

    private void WriteRecord() => record?.Write(new()
    {
        Key = Key,
        Pid = pid,
        Epoch = epoch,
        BodyNode = bodyNode,
        AgentArea = deputy!.Area.Base.Value,
        AgentSlots = deputy.Area.Slots,
        Kept = State is HomeState.Deputy ? null : image,
        ParentKey = parentKey,
        LeaderKey = leaderKey,
        Guarded = { guarded },
        Drop = { deputy.Drop.Select(range => new HandoverRange { Address = range.Address.Value, Bytes = range.Bytes, Advice = range.Advice }) },
    });

    private void EndHandover()
    {
        if (record is null)
            return;
        Context.Store.Drop(StoreKind, StoreKey, "pidfd", "arena", "engine", "record");
        record.Memfd.Dispose();
        engineState?.Dispose();
        record = null;
    }
}
