using System.Buffers.Binary;
using OpenMosix.Checkpoint.Interop;
using OpenMosix.Checkpoint.Proc;

namespace OpenMosix.Checkpoint.Tracing;

/// <summary>
/// The agent in one tracee: brought in through a syscall instruction of the vDSO (text is never poked), or found where it already lies. The
/// int3 that ends a batch is a forced SIGTRAP, which resets the disposition of a process that ignores SIGTRAP: there the
/// disposition is set aside while the agent is in use.
/// </summary>
internal sealed class Agent
{
    private const ulong SIG_IGN = 1;
    private const ulong PROT_RW = 3;
    private const ulong PROT_RX = 5;
    private const ulong MAP_PRIVATE = 0x02;
    private const ulong MAP_ANONYMOUS = 0x20;
    private const ulong MAP_NORESERVE = 0x4000;
    private const ulong MAP_FIXED_NOREPLACE = 0x100000;

    private readonly Tracee _tracee;
    private readonly bool _ours;
    private byte[]? _trapDisposition;

    private Agent(Tracee tracee, RemoteAddress area, RemoteAddress syscallInstruction, bool ours)
    {
        _tracee = tracee;
        Area = area;
        SyscallInstruction = syscallInstruction;
        _ours = ours;
    }

    public RemoteAddress Area { get; }

    /// <summary>Where a single call can be executed without the agent.</summary>
    public RemoteAddress SyscallInstruction { get; set; }

    /// <summary>The struct kernel_sigaction of SIGTRAP that was set aside, or null.</summary>
    public ReadOnlySpan<byte> TrapDisposition => _trapDisposition;

    /// <summary>Maps the agent at area, which must be free.</summary>
    public static Agent Insert(Tracee tracee, RemoteAddress area, RemoteAddress syscallInstruction)
    {
        var agent = new Agent(tracee, area, syscallInstruction, ours: true);
        using var injection = new Injection(tracee);
        var mapped = injection.Call(
            syscallInstruction, CallNumber.mmap, area.Value, AgentAbi.AreaBytes, PROT_RW,
            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, ulong.MaxValue, 0);
        if ((ulong)mapped != area.Value)
        {
            throw new TraceeException("reserving the agent's addresses", BatchResults.IsError(mapped) ? (int)-mapped : 0);
        }

        tracee.Write(area, AgentBlob.Code);
        Tracee.Check(
            injection.Call(syscallInstruction, CallNumber.mprotect, area.Value, AgentAbi.CodeBytes, PROT_RX), "mapping the agent's code");
        if (tracee.TrapIgnored)
        {
            agent.SetTrapAside(injection);
        }

        return agent;
    }

    /// <summary>Uses an agent that is there.</summary>
    public static Agent Find(Tracee tracee, RemoteAddress area, RemoteAddress syscallInstruction)
    {
        var code = new byte[AgentBlob.Code.Length];
        tracee.Read(area, code);
        if (!AgentBlob.Code.SequenceEqual(code))
        {
            throw new TraceeException($"no agent of this version at {area}");
        }

        var agent = new Agent(tracee, area, syscallInstruction, ours: false);
        if (tracee.TrapIgnored)
        {
            using var injection = new Injection(tracee);
            agent.SetTrapAside(injection);
        }

        return agent;
    }

    private RemoteAddress Scratch => Area + AgentAbi.BlockOffset + AgentAbi.DataOffset;

    public Batch NewBatch(bool stopOnError = false) => new(Area) { StopOnError = stopOnError };

    public BatchResults Run(Batch batch)
    {
        using var injection = new Injection(_tracee);
        return batch.Run(_tracee, injection, this);
    }

    internal void Execute(in Injection injection) =>
        injection.Run(
            Area + AgentBlob.BatchEntry,
            Area + AgentBlob.BatchEnd,
            Area + AgentAbi.BlockOffset + AgentAbi.BatchStack,
            (Area + AgentAbi.BlockOffset + AgentAbi.BatchOffset).Value);

    /// <summary>Queues what had to be taken off the queue, puts SIGTRAP's disposition back, and unmaps the agent. The call that puts back that
    /// SIGTRAP is ignored must not be single-stepped: the step's own trap would undo it.</summary>
    public void Leave(bool unmap)
    {
        var quiet = _trapDisposition is not null || _tracee.HeldSignals.Count > 0;
        if (!quiet && !unmap)
        {
            return;
        }

        using var injection = new Injection(_tracee, quiet);
        var (pid, tid) = quiet ? ProcessStatus.InnermostIds(_tracee.Pid) : default;
        foreach (var info in _tracee.TakeHeldSignals())
        {
            _tracee.Write(Scratch, info);
            injection.Call(
                SyscallInstruction, CallNumber.rt_tgsigqueueinfo, (ulong)pid, (ulong)tid, (ulong)SignalQueue.SignalOf(info), Scratch.Value);
        }

        if (_trapDisposition is not null)
        {
            _tracee.Write(Scratch, _trapDisposition);
            injection.Call(SyscallInstruction, CallNumber.rt_sigaction, Signals.SIGTRAP, Scratch.Value, 0, 8);
            _tracee.TrapIgnored = true;
            _trapDisposition = null;
        }

        if (unmap)
        {
            Tracee.Check(injection.Call(SyscallInstruction, CallNumber.munmap, Area.Value, AgentAbi.AreaBytes), "unmapping the agent");
        }
    }

    public void Leave() => Leave(_ours);

    /// <summary>Gives SIGTRAP its disposition (struct kernel_sigaction) for good: no batch may follow, it would end in a forced SIGTRAP.</summary>
    public void SetTrap(ReadOnlySpan<byte> disposition)
    {
        using var injection = new Injection(_tracee, quiet: true);
        _tracee.Write(Scratch, disposition);
        Tracee.Check(injection.Call(SyscallInstruction, CallNumber.rt_sigaction, Signals.SIGTRAP, Scratch.Value, 0, 8), "rt_sigaction");
        _tracee.TrapIgnored = BinaryPrimitives.ReadUInt64LittleEndian(disposition) == SIG_IGN;
        _trapDisposition = null;
    }

    private void SetTrapAside(in Injection injection)
    {
        var disposition = new byte[32];
        _tracee.Write(Scratch + 32, disposition); // SIG_DFL
        Tracee.Check(
            injection.Call(SyscallInstruction, CallNumber.rt_sigaction, Signals.SIGTRAP, Scratch.Value + 32, Scratch.Value, 8), "rt_sigaction");
        _tracee.Read(Scratch, disposition);
        if (BinaryPrimitives.ReadUInt64LittleEndian(disposition) != 0)
        {
            _trapDisposition = disposition;
        }

        _tracee.TrapIgnored = false;
    }
}
