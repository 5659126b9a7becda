using System.Security.Cryptography;
using OpenMosix.Checkpoint.Interop;
using OpenMosix.Checkpoint.Proc;
using OpenMosix.Checkpoint.Tracing;
using OpenMosix.Protocol.Errors;
using OpenMosix.Protocol.V1;

namespace OpenMosix.Checkpoint.Restore;

/// <summary>Turns a blank child into an empty address space with the kernel's own areas and the agent where the image has them. On the
/// tracer's thread.</summary>
internal static class BlankChild
{
    private const ulong MREMAP_MAYMOVE = 1;
    private const ulong MREMAP_FIXED = 2;

    /// <summary>PTRACE_O_* of its threads.</summary>
    public const int WhileHeld = Ptrace.PTRACE_O_TRACESYSGOOD | Ptrace.PTRACE_O_EXITKILL | Ptrace.PTRACE_O_SUSPEND_SECCOMP;

    /// <summary>Seizes it; it is killed if the tracer ends.</summary>
    public static Tracee Seize(int pid)
    {
        var tracee = new Tracee(pid, new TrapState());
        var error = tracee.Seize(WhileHeld);
        if (error != 0)
        {
            throw new TraceeException($"the blank child {pid} cannot be seized", error);
        }

        tracee.Interrupt();
        while (!tracee.WaitStop().IsEventStop)
        {
            tracee.Interrupt();
            tracee.Resume(Ptrace.PTRACE_CONT);
        }

        return tracee;
    }

    /// <summary>Why this kernel's vDSO cannot stand for the image's; null: it can.</summary>
    public static Refusal? Differs(Tracee tracee, ProcessImage image)
    {
        var areas = MemoryMap.Read(tracee.Tid);
        var here = areas.FirstOrDefault(area => area.IsVdso);
        var there = image.Mappings.FirstOrDefault(mapping => mapping.Kind is MappingKind.Vdso);
        if (here is null || there is null)
        {
            return Refusals.Vdso(here is null ? "this node has none" : "the body has none");
        }

        var code = new byte[here.Bytes];
        tracee.Read(new RemoteAddress(here.Start), code);
        return !SHA256.HashData(code).AsSpan().SequenceEqual(there.VdsoHash.Span) ? Refusals.Vdso("its code differs")
            : Offsets(areas, here.Start).SequenceEqual(Offsets(image, there.Start)) ? null
            : Refusals.Vdso("its data lies elsewhere");
    }

    /// <summary>The agent comes in, everything else goes out, the kernel's areas move to where the body knows them.</summary>
    public static Agent Clear(Tracee tracee, ProcessImage image)
    {
        var areas = MemoryMap.Read(tracee.Tid);
        var agent = Agent.Insert(tracee, AgentArea.Of(image), AddressSpace.SyscallInstruction(tracee, areas));
        var kernels = areas.Where(area => area.IsVdso || area.IsVvar).ToList();
        var targets = image.Mappings.Where(IsKernels).ToList();
        ulong start = kernels.Min(area => area.Start), bytes = kernels.Max(area => area.End) - start;
        var target = targets.Min(mapping => mapping.Start);
        var aside = AddressSpace.Free(
            areas.Select(area => (area.Start, area.End))
                .Concat(image.Mappings.Select(mapping => (mapping.Start, mapping.End)))
                .Append((agent.Area.Base.Value, agent.Area.End.Value)),
            bytes);

        var batch = agent.NewBatch(stopOnError: true);
        ProcessState.AddUntied(batch, tracee);
        AddMove(batch, kernels, start, aside.Value);
        foreach (var area in areas.Where(area => !area.IsVdso && !area.IsVvar && !area.IsVsyscall))
        {
            batch.Add(CallNumber.munmap, area.Start, area.Bytes);
        }

        AddMove(batch, kernels.Select(area => area with { Start = area.Start - start + aside.Value, End = area.End - start + aside.Value }), aside.Value, target);
        agent.Execute(batch, "clearing the blank child");
        agent.SyscallInstruction = agent.SyscallInstruction - start + target;
        return agent;
    }

    private static bool IsKernels(Mapping mapping) =>
        mapping.Kind is MappingKind.Vdso or MappingKind.Vvar or MappingKind.VvarVclock;

    private static void AddMove(Batch batch, IEnumerable<MemoryArea> areas, ulong from, ulong to)
    {
        foreach (var area in areas)
        {
            batch.Add(CallNumber.mremap, area.Start, area.Bytes, area.Bytes, MREMAP_MAYMOVE | MREMAP_FIXED, area.Start - from + to);
        }
    }

    private static IEnumerable<(ulong, ulong)> Offsets(List<MemoryArea> areas, ulong vdso) =>
        areas.Where(area => area.IsVdso || area.IsVvar).Select(area => (unchecked(area.Start - vdso), area.Bytes)).Order();

    private static IEnumerable<(ulong, ulong)> Offsets(ProcessImage image, ulong vdso) =>
        image.Mappings.Where(IsKernels).Select(mapping => (unchecked(mapping.Start - vdso), mapping.End - mapping.Start)).Order();
}
