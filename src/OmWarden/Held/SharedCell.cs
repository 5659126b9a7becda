// The cell of a body, of the others of its group, and of all they fork here: they see each other's memory and pids as they would at home, and have one
// memory limit, which is the sum of what they need and what the node can spare (CellLimits). It ends with the last of them. Any thread.
using Microsoft.Win32.SafeHandles;
using OpenMosix.Checkpoint.Pages;
using OpenMosix.Protocol.V1;
using OpenMosix.Warden.Cell;
using OpenMosix.Warden.Handover;
using OpenMosix.Warden.Interop;

namespace OpenMosix.Warden.Held;

/// <summary>A body in a cell.</summary>
internal interface ICellBody
{
    /// <summary>Its pid inside, which is that at home.</summary>
    int InnerPid { get; }
    /// <summary>In our pid namespace.</summary>
    int HostPid { get; }
    ulong ResidentBytes { get; }

    /// <summary>What it adds to those of its cell.</summary>
    CellLimits Limits { get; }

    void BodyEnded(int waitStatus);

    /// <summary>The cell's memory is nearly used up, and this body has most of it.</summary>
    void MemoryIsShort();
}

internal sealed class SharedCell
{
    internal const string StoreKind = "cell";
    private static readonly string[] Stored = ["control", "init", "record"];

    private readonly WardenContext context;
    private readonly CellProcess process;
    private readonly uint firstId;
    private readonly Lock gate = new();
    private readonly Dictionary<int, ICellBody> bodies = [];
    private readonly HashSet<ICellBody> loosened = [];
    private readonly Dictionary<string, CellGate> gates = [];
    private Record<HandoverCell>? record;
    private MemoryGuard? memory;
    private bool guarded;
    private bool ended;
    private bool adopted; // and those that are in it are being opened again
    private ulong spareBytes, limitBytes; // of memory; 0: no limit

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
    internal WrittenFiles Written { get; } = new();

    internal IReadOnlyCollection<ICellBody> Bodies
    {
        get
        {
            lock (gate)
                return [.. bodies.Values];
        }
    }

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
        var record = all[2] is { } memfd ? new Record<HandoverCell>(memfd) : null;
        if (record?.Read(HandoverCell.Parser) is not { } left || all.Any(handle => handle is null))
        {
            foreach (SafeFileHandle? handle in all)
                handle?.Dispose();
            store.Drop(StoreKind, name, Stored);
            return null;
        }
        var process = CellProcess.Adopt(all[0]!, all[1]!, left.InitPid, left.Cgroup, context.Cgroups, new(left.MonotonicOffsetNs, left.BoottimeOffsetNs));
        var cell = new SharedCell(context, name, process, left.FirstId) { record = record, adopted = true, spareBytes = left.SpareBytes };
        foreach (string each in left.Gates)
            if (CellGate.Adopt(store, each) is { } adopted)
                cell.gates.Add(each, adopted);
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
            adopted = false;
            Fit();
        }
        if (ended)
        {
            End();
            return;
        }
        Watch();
        foreach (CellGate each in gates.Values)
            _ = each.Side.Start();
    }

    /// <summary>By the name in a guest's record.</summary>
    internal CellGate? Gate(string name)
    {
        lock (gate)
            return gates.GetValueOrDefault(name);
    }

    /// <summary>Shared memory that a body here has; the caller's to close.</summary>
    internal SafeFileHandle? Memory(MappedFile memory) =>
        Bodies.Select(body => MemoryFiles.Open(body.HostPid, memory)).FirstOrDefault(found => found is not null);

    /// <summary>A blank child for another one of the group, whose pidfd is the caller's.</summary>
    /// <exception cref="CellException"/>
    internal int Spawn(int innerPid, out SafeFileHandle pidfd)
    {
        lock (Births)
            return process.AddBlank(innerPid, out pidfd);
    }

    /// <summary>A body is under its filter; the gate still has to be started. What outlives this warden is kept from now on. Null: errno tells.</summary>
    internal CellGate? Serve(string name, SafeFileHandle ownListener, out int errno)
    {
        CellGate? made = CellGate.Make(context.Store, name, ownListener, out errno);
        if (made is null)
            return null;
        lock (gate)
        {
            gates.Add(name, made);
            if (record is null)
            {
                record = Record<HandoverCell>.Create("om-cell-record");
                SafeFileHandle[] handles = [process.Control, process.InitPidfd, record.Memfd];
                for (int i = 0; i < Stored.Length; i++)
                    context.Store.Keep(StoreKind, Name, Stored[i], handles[i]);
            }
            record.Write(new()
            {
                InitPid = process.InitPid,
                Cgroup = process.CgroupName,
                FirstId = firstId,
                MonotonicOffsetNs = Clock.MonotonicOffsetNs,
                BoottimeOffsetNs = Clock.BoottimeOffsetNs,
                Gates = { gates.Keys },
                SpareBytes = spareBytes,
            });
        }
        return made;
    }

    internal void Join(ICellBody body)
    {
        lock (gate)
        {
            bodies[body.InnerPid] = body;
            if (adopted)
                return;
            if (body.Limits.MemoryBytes > 0)
                spareBytes = body.Limits.MemoryBytes - Math.Min(body.Limits.NeedBytes, body.Limits.MemoryBytes);
            Fit();
        }
    }

    /// <summary>A body that has ended or been killed; with the last one all ends. False when the cgroup could not be removed (it is swept at the next start).</summary>
    internal bool Leave(ICellBody body)
    {
        lock (gate)
        {
            if (bodies.GetValueOrDefault(body.InnerPid) == body)
                bodies.Remove(body.InnerPid);
            Written.Stays(body);
            if (loosened.Remove(body) && loosened.Count == 0 && bodies.Count > 0)
                memory?.Tighten();
            Fit();
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

    /// <summary>The limits are those of all that are in it. Under gate.</summary>
    private void Fit()
    {
        if (bodies.Count == 0)
            return;
        try
        {
            if (bodies.Values.All(body => body.Limits.Pids > 0))
                process.LimitPids(bodies.Values.Aggregate(0UL, (sum, body) => sum + body.Limits.Pids));
            ulong bytes = bodies.Values.Aggregate(spareBytes, (sum, body) => sum + body.Limits.NeedBytes);
            if (bytes == limitBytes)
                return;
            limitBytes = bytes;
            if (memory is null)
                process.LimitMemory(bytes);
            else
                memory.Resize(bytes);
            if (loosened.Count == 0)
                memory?.Tighten();
        }
        catch (IOException)
        {
            // Those who are left use more than is theirs: the limit stays.
        }
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
        Written.Dispose();
        bool removed = process.End();
        foreach (CellGate each in gates.Values)
            each.Dispose();
        if (record is not null)
        {
            context.Store.Drop(StoreKind, Name, Stored);
            record.Memfd.Dispose();
        }
        context.TakenIds.Remove(firstId);
        return removed;
    }
}
