using Microsoft.Win32.SafeHandles;
using OpenMosix.Checkpoint.Cpu;
using OpenMosix.Checkpoint.Freeze;
using OpenMosix.Checkpoint.Interop;
using OpenMosix.Checkpoint.Pages;
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
    private const int MADV_REMOVE = 9;
    private const int MADV_DONTNEED_LOCKED = 24;

    public static Outcome<DeputyProcess> Deputize(FrozenThreads frozen, ProcessImage image)
    {
        var agent = frozen.Agent();
        var bodies = Bodies.Of(frozen, image);
        var arena = MakeArena(bodies, agent);
        var drained = new DrainedSignals(agent, frozen.InnerPid);
        try
        {
            drained.Take(bodies.All, image);
            Convert(agent, bodies, image);
        }
        catch (TraceeException)
        {
            arena.Dispose();
            Revert(agent, bodies, image, drained);
            throw;
        }

        frozen.PutBack();
        Enter(agent.Area, bodies);
        frozen.Release();
        var threads = bodies.All.Select(body => new DeputyThread(body.Image.Slot, body.Tracee.Tid));
        return new DeputyProcess(frozen.Pid, agent.Area, [.. threads], arena, [.. ToDrop(image)]);
    }

    /// <summary>What the body did with signals, its threads' own rseq and so on, the deputy does in its stead.</summary>
    public static void Convert(Agent agent, Bodies bodies, ProcessImage image)
    {
        foreach (var (tracee, _) in bodies.All)
        {
            var batch = agent.NewBatch(stopOnError: true);
            ProcessState.AddUntied(batch, tracee);
            agent.Execute(batch, tracee, "becoming a deputy's thread");
        }

        var process = agent.NewBatch(stopOnError: true);
        CpuTimers.AddNone(process);
        Dispositions.AddForDeputy(process, image, agent.Area);
        agent.Execute(process, "becoming a deputy");
        agent.SetTrap(Dispositions.OfDeputy(image, Signals.SIGTRAP, agent.Area));
    }

    /// <summary>Registers with which each thread enters the agent's loop. Every signal stays blocked until it has its TLS.</summary>
    public static void Enter(AgentArea area, Bodies bodies)
    {
        foreach (var (tracee, thread) in bodies.All)
        {
            var registers = tracee.Registers;
            registers.Rip = (area.Base + AgentBlob.DeputyEntry).Value;
            registers.Rdi = area.Slot(thread.Slot).Value;
            registers.Rsi = area.Tls(thread.Slot).Value;
            registers.Rsp = registers.Rsi;
            registers.Rax = 0;
            registers.OrigRax = ulong.MaxValue;
            registers.Eflags = 0x202;
            tracee.SignalMask = ulong.MaxValue;
            tracee.Registers = registers;
        }
    }

    private static void Revert(Agent agent, Bodies bodies, ProcessImage image, DrainedSignals drained)
    {
        foreach (var (tracee, thread) in bodies.All)
        {
            var batch = agent.NewBatch();
            ProcessState.AddThread(batch, thread);
            agent.Run(batch, tracee);
        }

        var process = agent.NewBatch();
        CpuTimers.AddForBody(process, image);
        Dispositions.AddForBody(process, image);
        agent.Run(process);
        drained.PutBack(bodies.Leader);
        agent.SetTrap(Dispositions.OfBody(image, Signals.SIGTRAP));
    }

    // No descriptor of ours stays in the job's table (KERNEL.md 8): it is there between two batches of a stopped process.
    private static SafeFileHandle MakeArena(Bodies bodies, Agent agent)
    {
        var area = agent.Area;
        var create = agent.NewBatch();
        create.Add(CallNumber.memfd_create, create.Data("om-arena\0"u8), MFD_CLOEXEC | MFD_ALLOW_SEALING);
        var descriptor = (ulong)agent.Execute(create, "making the arena")[0];
        var error = Kernel.TakeDescriptor(bodies.Leader.Tid, (int)descriptor, out var arena);
        // Not by the process: its RLIMIT_FSIZE is for its own files.
        error = error != 0 ? error : Kernel.Truncate(arena!, (long)area.ArenaBytes);

        var map = agent.NewBatch();
        map.Add(
            CallNumber.mmap, area.Arena.Value, area.ArenaBytes, Mappings.PROT_READ | Mappings.PROT_WRITE,
            Mappings.MAP_SHARED | Mappings.MAP_FIXED, descriptor, 0);
        map.Add(CallNumber.close, descriptor);
        var results = agent.Run(map);
        if (error != 0 || results.FirstError >= 0)
        {
            arena?.Dispose();
            throw new TraceeException("mapping the arena", error != 0 ? error : (int)-results[results.FirstError]);
        }

        bodies.Leader.Write(area.Arena + AgentAbi.ArenaSlots, DeputyArena.Slots(area));
        foreach (var (tracee, thread) in bodies.All)
        {
            tracee.Write(area.Slot(thread.Slot), DeputyArena.Slot(area, thread.Slot, tracee.Tid));
        }

        return arena!;
    }

    /// <summary>What lies on a disk stays there.</summary>
    private static bool IsOnlyMemory(MappedFile file) => file.Memory && MemoryFiles.IsNamed(file.Path);

    /// <summary>The private pages and the shared memory of the skeleton, but for arguments and environment: ps(1) reads them.</summary>
    private static IEnumerable<DropRange> ToDrop(ProcessImage image)
    {
        var extents = new ExtentIndex(image);
        ulong keepFrom = image.Memory.ArgStart & ~(ImageFormat.PageBytes - 1);
        ulong keepTo = (image.Memory.EnvEnd + ImageFormat.PageBytes - 1) & ~(ImageFormat.PageBytes - 1);
        // Of the whole group's: the first deputy that is told to drop it does.
        foreach (var mapping in image.Mappings.Where(mapping => mapping.Kind is MappingKind.FileShared
            && IsOnlyMemory(image.Files[(int)mapping.File - 1]) && (mapping.Protection & Mappings.PROT_WRITE) != 0))
        {
            yield return new DropRange(new RemoteAddress(mapping.Start), mapping.End - mapping.Start, MADV_REMOVE);
        }

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
