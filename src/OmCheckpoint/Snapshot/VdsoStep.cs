using OpenMosix.Checkpoint.Interop;
using OpenMosix.Checkpoint.Proc;
using OpenMosix.Checkpoint.Tracing;

namespace OpenMosix.Checkpoint.Snapshot;

/// <summary>Steps a thread out of the vDSO: what it has half read there belongs to this kernel (KERNEL.md 4).</summary>
internal static class VdsoStep
{
    // clock_gettime is some 50 instructions, getrandom refilling its state some thousands.
    private const int StepsMax = 100_000;

    public static void Out(Tracee tracee, IReadOnlyList<MemoryArea> areas)
    {
        var vdso = areas.FirstOrDefault(area => area.IsVdso);
        if (vdso is null || !IsIn(tracee.Registers, vdso))
        {
            return;
        }

        var mask = tracee.SignalMask;
        tracee.SignalMask = ~Signals.Bit(Signals.SIGTRAP);
        try
        {
            for (var step = 0; step < StepsMax && IsIn(tracee.Registers, vdso); step++)
            {
                tracee.ResumeUntil(Ptrace.PTRACE_SINGLESTEP, status => status.IsSignalDelivery && status.StopSignal == Signals.SIGTRAP);
            }
        }
        finally
        {
            tracee.SignalMask = mask;
        }

        if (IsIn(tracee.Registers, vdso))
        {
            throw new TraceeException("the thread does not leave the vDSO");
        }
    }

    private static bool IsIn(in Registers registers, MemoryArea vdso) => registers.Rip >= vdso.Start && registers.Rip < vdso.End;
}
