using System.Buffers.Binary;
using OpenMosix.Checkpoint.Interop;
using OpenMosix.Checkpoint.Proc;
using OpenMosix.Protocol.Errors;

namespace OpenMosix.Checkpoint.Tracing;

/// <summary>
/// The agent in one process: brought in through a syscall instruction of the vDSO (text is never poked), or found where it already lies. Any
/// held thread can execute a batch, one at a time: there is one block. The int3 that ends a batch is a forced SIGTRAP, which resets the
/// disposition of a process that ignores SIGTRAP: there the calls are executed one by one.
/// </summary>
internal sealed class Agent
{
    private const ulong SIG_IGN = 1;
    private const int ActionBytes = 32; // struct kernel_sigaction
    private const ulong PROT_NONE = 0;
    private const ulong PROT_RW = 3;
    private const ulong PROT_RX = 5;
    private const ulong MAP_PRIVATE = 0x02;
    private const ulong MAP_ANONYMOUS = 0x20;
    private const ulong MAP_NORESERVE = 0x4000;
    private const ulong MAP_FIXED_NOREPLACE = 0x100000;

    private readonly Tracee _host;
    private readonly bool _ours;

    private Agent(Tracee host, AgentArea area, RemoteAddress syscallInstruction, bool ours)
    {
        _host = host;
        Area = area;
        SyscallInstruction = syscallInstruction;
        _ours = ours;
    }

    public AgentArea Area { get; }

    /// <summary>Where a single call can be executed without the agent.</summary>
    public RemoteAddress SyscallInstruction { get; set; }

    /// <summary>Maps the agent at area, which must be free. host: the thread that executes what concerns the whole process.</summary>
    public static Agent Insert(Tracee host, AgentArea area, RemoteAddress syscallInstruction)
    {
        var agent = new Agent(host, area, syscallInstruction, ours: true);
        using var injection = new Injection(host);
        // Addresses nobody may use cost nothing; most of them wait for the arena.
        var mapped = injection.Call(
            syscallInstruction, CallNumber.mmap, area.Base.Value, area.Bytes, PROT_NONE,
            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, ulong.MaxValue, 0);
        if (mapped is -Errno.ENOMEM or -Errno.EAGAIN)
        {
            throw new RefusedException(Refusals.AddressSpace(area.Bytes));
        }

        if ((ulong)mapped != area.Base.Value)
        {
            throw new TraceeException("reserving the agent's addresses", BatchResults.IsError(mapped) ? (int)-mapped : 0);
        }

        // Only what can be written counts as data (RLIMIT_DATA).
        var writable = injection.Call(syscallInstruction, CallNumber.mprotect, area.Base.Value, area.Arena.Value - area.Base.Value, PROT_RW);
        if (writable == -Errno.ENOMEM)
        {
            Tracee.Check(injection.Call(syscallInstruction, CallNumber.munmap, area.Base.Value, area.Bytes), "unmapping the agent");
            throw new RefusedException(Refusals.AddressSpace(area.Bytes));
        }

        Tracee.Check(writable, "mapping the agent's memory");
        host.Write(area.Base, AgentBlob.Code);
        Tracee.Check(
            injection.Call(syscallInstruction, CallNumber.mprotect, area.Base.Value, AgentAbi.CodeBytes, PROT_RX), "mapping the agent's code");
        return agent;
    }

    /// <summary>Uses an agent that is there.</summary>
    public static Agent Find(Tracee host, AgentArea area)
    {
        var code = new byte[AgentBlob.Code.Length];
        host.Read(area.Base, code);
        return AgentBlob.Code.SequenceEqual(code)
            ? new Agent(host, area, area.Base + AgentBlob.SyscallInstruction, ours: false)
            : throw new TraceeException($"no agent of this version at {area.Base}");
    }

    public Batch NewBatch(bool stopOnError = false) => new(Area) { StopOnError = stopOnError };

    /// <summary>Has the host execute it.</summary>
    public BatchResults Run(Batch batch) => Run(batch, _host);

    public BatchResults Run(Batch batch, Tracee tracee)
    {
        using var injection = new Injection(tracee, quiet: tracee.TrapIgnored);
        return batch.Run(tracee, injection, this);
    }

    /// <summary>Runs a batch in which every call must succeed.</summary>
    public BatchResults Execute(Batch batch, string what) => Execute(batch, _host, what);

    public BatchResults Execute(Batch batch, Tracee tracee, string what)
    {
        var results = Run(batch, tracee);
        var failed = results.FirstError;
        return failed < 0 ? results : throw new TraceeException($"{what} (step {failed})", (int)-results[failed]);
    }

    internal void RunCalls(in Injection injection) =>
        injection.Run(Area.Base + AgentBlob.BatchEntry, Area.Base + AgentBlob.BatchEnd, Area.BatchStack, Area.Batch.Value);

    /// <summary>Executes one call that points at data, without a trap.</summary>
    public long CallQuietly(Tracee tracee, ReadOnlySpan<byte> data, Func<ulong, (long Number, ulong[] Arguments)> call)
    {
        using var injection = new Injection(tracee, quiet: true);
        tracee.Write(Area.BatchData, data);
        var (number, arguments) = call(Area.BatchData.Value);
        return injection.Call(SyscallInstruction, number, arguments);
    }

    /// <summary>Unmaps it where it was brought in for a while.</summary>
    public void Leave()
    {
        if (_ours)
        {
            Unmap(SyscallInstruction);
        }
    }

    /// <param name="syscallInstruction">Outside it.</param>
    public void Unmap(RemoteAddress syscallInstruction)
    {
        // Quiet: nothing of ours may touch a disposition that is the process's again.
        using var injection = new Injection(_host, quiet: true);
        Tracee.Check(injection.Call(syscallInstruction, CallNumber.munmap, Area.Base.Value, Area.Bytes), "unmapping the agent");
    }

    /// <summary>The disposition of SIGTRAP (struct kernel_sigaction).</summary>
    public byte[] ReadTrap()
    {
        var batch = NewBatch();
        var room = batch.Reserve(ActionBytes);
        batch.Add(CallNumber.rt_sigaction, Signals.SIGTRAP, 0, room, sizeof(ulong));
        var results = Run(batch);
        Tracee.Check(results[0], "rt_sigaction");
        return results.Bytes(room, ActionBytes).ToArray();
    }

    /// <summary>Gives SIGTRAP its disposition (struct kernel_sigaction), which no batch can: it would end in a forced SIGTRAP.</summary>
    public void SetTrap(ReadOnlySpan<byte> disposition)
    {
        Tracee.Check(
            CallQuietly(_host, disposition, data => (CallNumber.rt_sigaction, [Signals.SIGTRAP, data, 0, sizeof(ulong)])), "rt_sigaction");
        _host.TrapIgnored = BinaryPrimitives.ReadUInt64LittleEndian(disposition) == SIG_IGN;
    }
}
