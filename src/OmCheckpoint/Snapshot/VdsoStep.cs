using OpenMosix.Checkpoint.Freeze;
using OpenMosix.Checkpoint.Interop;
using OpenMosix.Checkpoint.Proc;
using OpenMosix.Checkpoint.Tracing;

namespace OpenMosix.Checkpoint.Snapshot;

/// <summary>
/// Steps each thread out of the vDSO: what it has half read there belongs to this kernel (KERNEL.md 4). But not into a call, which stands behind all
/// reading: it is made where the thread goes on. A step that meets one is under the filter, which gives it to the listener and the thread back.
/// </summary>
internal static class VdsoStep
{
    // clock_gettime is some 50 instructions, getrandom refilling its state some thousands.
    private const int StepsMax = 100_000;

    public static void Out(FrozenThreads frozen, IReadOnlyList<MemoryArea> areas)
    {
        if (areas.FirstOrDefault(area => area.IsVdso) is not { } vdso)
        {
            return;
        }

        foreach (var thread in frozen.Threads)
        {
            if (MustStep(thread.Tracee.Registers, vdso))
            {
                Out(frozen, thread.Tracee, vdso);
            }
        }
    }

    private static void Out(FrozenThreads frozen, Tracee tracee, MemoryArea vdso)
    {
        // Each step is a forced SIGTRAP.
        var trap = tracee.TrapIgnored ? frozen.Agent().ReadTrap() : null;
        using var filtered = frozen.Filtered(tracee);
        var mask = tracee.SignalMask;
        tracee.SignalMask = ~Signals.Bit(Signals.SIGTRAP);
        try
        {
            for (var step = 0; step < StepsMax && MustStep(tracee.Registers, vdso); step++)
            {
                tracee.ResumeUntil(Ptrace.PTRACE_SINGLESTEP, status => status.IsSignalDelivery && status.StopSignal == Signals.SIGTRAP);
            }
        }
        finally
        {
            tracee.SignalMask = mask;
        }

        if (trap is not null)
        {
            frozen.Agent().SetTrap(trap);
        }

        if (MustStep(tracee.Registers, vdso))
        {
            throw new TraceeException("the thread does not leave the vDSO");
        }
    }

    private static bool MustStep(in Registers registers, MemoryArea vdso) =>
        registers.Rip >= vdso.Start && registers.Rip < vdso.End && !RestartRules.InCall(registers);
}
