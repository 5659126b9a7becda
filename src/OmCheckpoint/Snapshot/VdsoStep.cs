using OpenMosix.Checkpoint.Freeze;
using OpenMosix.Checkpoint.Interop;
using OpenMosix.Checkpoint.Proc;
using OpenMosix.Checkpoint.Tracing;

namespace OpenMosix.Checkpoint.Snapshot;

/// <summary>
/// Steps a thread out of the vDSO: what it has half read there belongs to this kernel (KERNEL.md 4). But not into a call, which stands behind all
/// reading: it is made where the thread goes on. A step that meets one is under the filter, which gives it to the listener and the thread back.
/// </summary>
internal static class VdsoStep
{
    // clock_gettime is some 50 instructions, getrandom refilling its state some thousands.
    private const int StepsMax = 100_000;

    public static void Out(FrozenThread frozen, IReadOnlyList<MemoryArea> areas)
    {
        var tracee = frozen.Tracee;
        var vdso = areas.FirstOrDefault(area => area.IsVdso);
        if (vdso is null || !MustStep(tracee.Registers, vdso))
        {
            return;
        }

        // Each step is a forced SIGTRAP.
        var trap = tracee.TrapIgnored ? frozen.Agent().ReadTrap() : null;
        using var filtered = frozen.Filtered();
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
