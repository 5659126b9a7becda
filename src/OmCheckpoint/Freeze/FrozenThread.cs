using OpenMosix.Checkpoint.Interop;
using OpenMosix.Checkpoint.Proc;
using OpenMosix.Checkpoint.Tracing;
using OpenMosix.Protocol.Errors;

namespace OpenMosix.Checkpoint.Freeze;

/// <summary>One thread of a frozen process, and what was learnt when it stopped. On the tracer's thread.</summary>
internal sealed record FrozenThread(Tracee Tracee, StopContext Context)
{
    private const ulong UserCodeSegment64 = 0x33;

    public int Tid => Tracee.Tid;

    /// <summary>Looks at a thread that has just come to a stop, and puts right what the stop itself has changed.</summary>
    public static FrozenThread Take(Tracee tracee, WaitStatus stop, SleepObservation? observation, CallEnd? end, Func<int, long?>? deadline)
    {
        var registers = tracee.Registers;
        if (registers.Cs != UserCodeSegment64)
        {
            throw new RefusedException(Refusals.ThirtyTwoBit($"thread {tracee.Tid}"));
        }

        // What we would have it execute would go to its handler.
        if (Ptrace.DispatchesCalls(tracee.Tid))
        {
            throw new RefusedException(Refusals.SyscallUserDispatch($"thread {tracee.Tid}"));
        }

        var waitingSince = observation?.WaitingSince(tracee.Tid, (long)registers.OrigRax);
        var context = new StopContext(
            GroupStopped: stop.StopSignal != Signals.SIGTRAP,
            SignalDeliverable: RestartRules.MayBeSpuriousEintr(registers) && ProcessStatus.Read(tracee.Tid) is { Deliverable: not 0 },
            WaitingSince: waitingSince,
            Now: ClockReader.Monotonic,
            Restarted: RestartedCall.Of(tracee, registers, deadline),
            Ends: RestartRules.Ends(tracee, registers, waitingSince));
        tracee.Registers = RseqRules.AbortSection(tracee, end is { Answered: false } said ? RestartRules.NotTaken(registers, said.Rest) : registers);
        return new FrozenThread(tracee, context);
    }

    /// <summary>The registers with which it goes on where it was.</summary>
    public void SetForThaw() => Tracee.Registers = RestartRules.ForThaw(Tracee, Tracee.Registers, Context with { Now = ClockReader.Monotonic });
}
