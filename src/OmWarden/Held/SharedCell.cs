// The cell of a body and of all it forks here: they see each other's memory and pids as they would at home, have one filter, hence one listener,
// and one memory limit. It ends with the last of them. Any thread.
using Microsoft.Win32.SafeHandles;
using OpenMosix.Protocol.V1;
using OpenMosix.Warden.Cell;
using OpenMosix.Warden.Forward;
using OpenMosix.Warden.Handover;
using OpenMosix.Warden.Interop;

namespace OpenMosix.Warden.Held;

/// <summary>A body in a cell.</summary>
internal interface ICellBody
{
    /// <summary>Its pid inside, which is that at home.</summary>
    int InnerPid { get; }
    ulong ResidentBytes { get; }

    void BodyEnded(int waitStatus);

    /// <summary>The cell's memory is nearly used up, and this body has most of it.</summary>
    void MemoryIsShort();
}

internal sealed class SharedCell
{
    internal const string StoreKind = "cell";
    private static readonly string[] Stored = ["control", "init", "listener", "gate", "record"];

    private readonly WardenContext context;
    private readonly CellProcess process;
    private readonly uint firstId;
    private readonly Lock gate = new();
    private readonly Dictionary<int, ICellBody> bodies = [];
    private readonly HashSet<ICellBody> loosened = [];
    private SafeFileHandle? listener;
    private SafeFileHandle? gateState;
    private Record<HandoverCell>? record;
    private MemoryGuard? memory;
    private bool guarded;
    private bool ended;

    private SharedCell(WardenContext context, string name, CellProcess process, uint firstId)
    {
        (this.context, Name, this.process, this.firstId) = (context, name, process, firstId);
        context.TakenIds.Add(firstId);
    }

    /// <summary>Under which a guest's record names it.</summary>
    internal string Name { get; }
    internal CellClock Clock => process.Clock;
    internal int InitPid => process.InitPid;
    internal string CgroupName => process.CgroupName;
    internal GateSide? Gate { get; private set; }

    /// <summary>Held from the choice of the next number until what gets it is there.</summary>
    internal Lock Births { get; } = new();

    internal void NextTid(int tid) => process.NextTid(tid);

    /// <summary>With a blank child for the first body, whose pidfd is the caller's.</summary>
    internal static SharedCell Create(WardenContext context, string name, ProcessImage image, CellLimits limits, CellClock clock, out int bodyPid, out SafeFileHandle bodyPidfd)
    {
        uint firstId = SubordinateIds.Draw(context.TakenIds);
        CellProcess process;
        try
        {
            process = CellProcess.Create(new()
            {
                Helper = context.Options.CellHelper,
                Instance = context.Options.Instance,
                Name = name,
                InnerPid = image.Pid,
                FirstId = firstId,
                Hostname = image.HomeHostname,
                Limits = limits,
                Clock = clock,
            }, context.Cgroups);
        }
        catch
        {
            context.TakenIds.Remove(firstId);
            throw;
        }
        (bodyPid, bodyPidfd) = (process.BodyPid, process.BodyPidfd!);
        var cell = new SharedCell(context, name, process, firstId);
        cell.Watch();
        return cell;
    }

    /// <summary>One that an earlier warden kept; null when what it left is not whole: then closing the socket has ended it.</summary>
    internal static SharedCell? Adopt(WardenContext context, string name)
    {
        DescriptorStore store = context.Store;
        SafeFileHandle?[] all = [.. Stored.Select(what => store.Take(StoreKind, name, what))];
        var record = all[4] is { } memfd ? new Record<HandoverCell>(memfd) : null;
        if (record?.Read(HandoverCell.Parser) is not { } left || all.Any(handle => handle is null))
        {
            foreach (SafeFileHandle? handle in all)
                handle?.Dispose();
            store.Drop(StoreKind, name, Stored);
            return null;
        }
        var process = CellProcess.Adopt(all[0]!, all[1]!, left.InitPid, left.Cgroup, context.Cgroups, new(left.MonotonicOffsetNs, left.BoottimeOffsetNs));
        var cell = new SharedCell(context, name, process, left.FirstId) { listener = all[2], gateState = all[3], record = record };
        cell.OpenGate();
        return cell;
    }

    /// <summary>An adopted one, when all that are in it have been opened again. Those that nobody has claimed end with it.</summary>
    internal void TakeOver()
    {
        lock (gate)
        {
            if (ended)
                return;
            ended = bodies.Count == 0;
        }
        if (ended)
        {
            End();
            return;
        }
        Watch();
        _ = Gate?.Start();
    }

    /// <summary>The first body is under its filter. What outlives this warden is kept from now on. 0 or errno.</summary>
    internal int Serve(SafeFileHandle ownListener)
    {
        listener = ownListener;
        gateState = Memfd.Create("om-gate", OmEngine.StateBytes(0));
        record = Record<HandoverCell>.Create("om-cell-record");
        record.Write(new()
        {
            InitPid = process.InitPid,
            Cgroup = process.CgroupName,
            FirstId = firstId,
            MonotonicOffsetNs = Clock.MonotonicOffsetNs,
            BoottimeOffsetNs = Clock.BoottimeOffsetNs,
        });
        SafeFileHandle[] handles = [process.Control, process.InitPidfd, listener, gateState, record.Memfd];
        for (int i = 0; i < Stored.Length; i++)
            context.Store.Keep(StoreKind, Name, Stored[i], handles[i]);
        return OpenGate();
    }

    internal void Join(ICellBody body)
    {
        lock (gate)
            bodies[body.InnerPid] = body;
    }

    /// <summary>A body that has ended or been killed; with the last one all ends. False when the cgroup could not be removed (it is swept at the next start).</summary>
    internal bool Leave(ICellBody body)
    {
        lock (gate)
        {
            if (bodies.GetValueOrDefault(body.InnerPid) == body)
                bodies.Remove(body.InnerPid);
            if (loosened.Remove(body) && loosened.Count == 0 && bodies.Count > 0)
                memory?.Tighten();
            if (bodies.Count > 0 || ended)
                return true;
            ended = true;
        }
        return End();
    }

    /// <summary>From now on the largest body is told when memory gets short.</summary>
    internal void GuardMemory()
    {
        lock (gate)
        {
            if (!guarded)
                memory = process.GuardMemory(MemoryIsShort);
            guarded = true;
        }
    }

    /// <summary>Before a body is waited for that may be paused at its limit.</summary>
    internal void Loosen(ICellBody body)
    {
        lock (gate)
            if (loosened.Add(body) && loosened.Count == 1)
                memory?.Loosen();
    }

    /// <summary>It goes on here.</summary>
    internal void Tighten(ICellBody body)
    {
        lock (gate)
            if (loosened.Remove(body) && loosened.Count == 0)
                memory?.Tighten();
    }

    private int OpenGate()
    {
        Gate = GateSide.Open(listener!, gateState!, out int errno);
        return errno;
    }

    private void MemoryIsShort()
    {
        ICellBody? largest;
        lock (gate)
            largest = bodies.Values.MaxBy(body => body.ResidentBytes);
        largest?.MemoryIsShort();
    }

    private void Watch() => process.Watch(Name, exit =>
    {
        ICellBody? body;
        lock (gate)
            body = bodies.GetValueOrDefault(exit.Pid);
        body?.BodyEnded(exit.Status);
    });

    private bool End()
    {
        memory?.Dispose();
        bool removed = process.End();
        Gate?.Dispose();
        listener?.Dispose();
        if (record is not null)
        {
            context.Store.Drop(StoreKind, Name, Stored);
            record.Memfd.Dispose();
            gateState?.Dispose();
        }
        context.TakenIds.Remove(firstId);
        return removed;
    }
}
