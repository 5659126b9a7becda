using System.Buffers.Binary;
using Microsoft.Win32.SafeHandles;
using OpenMosix.Checkpoint.Cpu;
using OpenMosix.Checkpoint.Freeze;
using OpenMosix.Checkpoint.Interop;
using OpenMosix.Checkpoint.Tracing;
using OpenMosix.Protocol.Errors;
using OpenMosix.Protocol.Image;
using OpenMosix.Protocol.V1;

namespace OpenMosix.Checkpoint.Restore;

/// <summary>Makes a frozen process the deputy of its own body. On the tracer's thread. When it fails the process is as it was.</summary>
internal static class Deputizer
{
    private const ulong MFD_CLOEXEC = 1;
    private const ulong MFD_ALLOW_SEALING = 2; // the engine seals it: nobody may shrink what the warden has mapped
    private const int MADV_DONTNEED_LOCKED = 24;

    public static Outcome<DeputyProcess> Deputize(FrozenThread frozen, ProcessImage image)
    {
        var agent = frozen.Agent();
        var arena = MakeArena(frozen.Tracee, agent);
        var drained = false;
        try
        {
            PendingSignals.Drain(agent, frozen.Tracee, image);
            drained = true;
            Convert(agent, frozen.Tracee, image);
        }
        catch (TraceeException)
        {
            arena.Dispose();
            Revert(agent, frozen.Tracee, image, drained);
            throw;
        }

        agent.Leave(unmap: false);
        Enter(frozen.Tracee, agent.Area);
        frozen.Release();
        return new DeputyProcess(
            frozen.Tracee.Pid, agent.Area, agent.Area + AgentAbi.ArenaOffset, arena, [.. ToDrop(image)]);
    }

    /// <summary>What the body did with signals, its own rseq and so on, the deputy does in its stead.</summary>
    public static void Convert(Agent agent, Tracee tracee, ProcessImage image)
    {
        var batch = agent.NewBatch(stopOnError: true);
        ProcessState.AddUntied(batch, tracee);
        CpuTimers.AddNone(batch);
        Dispositions.AddForDeputy(batch, image, agent.Area);
        FileStand.Execute(agent, batch, "becoming a deputy");
        agent.SetTrap(Dispositions.OfDeputy(image, Signals.SIGTRAP, agent.Area));
    }

    /// <summary>Registers with which the thread enters the agent's loop. Every signal stays blocked until the agent has its TLS.</summary>
    public static void Enter(Tracee tracee, RemoteAddress area)
    {
        var registers = tracee.Registers;
        var slot = area + AgentAbi.ArenaOffset;
        registers.Rip = (area + AgentBlob.DeputyEntry).Value;
        registers.Rdi = slot.Value;
        registers.Rsp = (area + AgentAbi.BlockOffset + AgentAbi.DeputyStack).Value;
        registers.FsBase = (area + AgentAbi.BlockOffset + AgentAbi.DeputyTls).Value;
        registers.Rax = 0;
        registers.OrigRax = ulong.MaxValue;
        registers.Eflags = 0x202;
        tracee.SignalMask = ulong.MaxValue;
        tracee.Registers = registers;
    }

    private static void Revert(Agent agent, Tracee tracee, ProcessImage image, bool drained)
    {
        var batch = agent.NewBatch();
        ProcessState.AddThread(batch, image.Threads[0]);
        CpuTimers.AddForBody(batch, image);
        Dispositions.AddForBody(batch, image);
        agent.Run(batch);
        if (drained)
        {
            PendingSignals.Queue(agent, tracee, image, []);
        }

        agent.SetTrap(Dispositions.OfBody(image, Signals.SIGTRAP));
    }

    // No descriptor of ours stays in the job's table (KERNEL.md 8): it is there between two batches of a stopped process.
    private static SafeFileHandle MakeArena(Tracee tracee, Agent agent)
    {
        var create = agent.NewBatch();
        create.Add(CallNumber.memfd_create, create.Data("om-arena\0"u8), MFD_CLOEXEC | MFD_ALLOW_SEALING);
        var descriptor = (ulong)FileStand.Execute(agent, create, "making the arena")[0];
        var error = Kernel.TakeDescriptor(tracee.Pid, (int)descriptor, out var arena);
        // Not by the process: its RLIMIT_FSIZE is for its own files.
        error = error != 0 ? error : Kernel.Truncate(arena!, AgentAbi.ArenaBytes);

        var map = agent.NewBatch();
        map.Add(
            CallNumber.mmap, (agent.Area + AgentAbi.ArenaOffset).Value, AgentAbi.ArenaBytes, Mappings.PROT_READ | Mappings.PROT_WRITE,
            Mappings.MAP_SHARED | Mappings.MAP_FIXED, descriptor, 0);
        map.Add(CallNumber.close, descriptor);
        var results = agent.Run(map);
        if (error != 0 || results.FirstError >= 0)
        {
            arena?.Dispose();
            throw new TraceeException("mapping the arena", error != 0 ? error : (int)-results[results.FirstError]);
        }

        var slot = agent.Area + AgentAbi.ArenaOffset;
        Span<byte> field = stackalloc byte[sizeof(ulong)];
        BinaryPrimitives.WriteUInt64LittleEndian(field, (slot + AgentAbi.SlotHeaderBytes).Value);
        tracee.Write(slot + AgentAbi.SlotData, field);
        BinaryPrimitives.WriteInt32LittleEndian(field, tracee.Pid);
        tracee.Write(slot + AgentAbi.SlotTid, field[..sizeof(int)]);
        return arena!;
    }

    /// <summary>The private pages of the skeleton, but for arguments and environment: ps(1) reads them.</summary>
    private static IEnumerable<DropRange> ToDrop(ProcessImage image)
    {
        var extents = new ExtentIndex(image);
        ulong keepFrom = image.Memory.ArgStart & ~(ImageFormat.PageBytes - 1);
        ulong keepTo = (image.Memory.EnvEnd + ImageFormat.PageBytes - 1) & ~(ImageFormat.PageBytes - 1);
        foreach (var mapping in Mappings.OfBody(image).Where(mapping => mapping.Kind is not MappingKind.FileShared))
        {
            if (!extents.Touches(mapping.Start, mapping.End))
            {
                continue;
            }

            var below = Math.Min(mapping.End, keepFrom);
            var above = Math.Max(mapping.Start, keepTo);
            if (mapping.Start < below)
            {
                yield return new DropRange(new RemoteAddress(mapping.Start), below - mapping.Start, MADV_DONTNEED_LOCKED);
            }

            if (above < mapping.End)
            {
                yield return new DropRange(new RemoteAddress(above), mapping.End - above, MADV_DONTNEED_LOCKED);
            }
        }
    }
}
