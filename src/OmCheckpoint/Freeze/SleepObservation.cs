using System.Globalization;
using OpenMosix.Checkpoint.Interop;
using OpenMosix.Checkpoint.Proc;
using OpenMosix.Checkpoint.Tracing;

namespace OpenMosix.Checkpoint.Freeze;

/// <summary>
/// What a thread waits in and since when, seen before it is disturbed: the kernel keeps the deadline of a call with a relative timeout where
/// nobody can read it. se.exec_start of /proc/PID/sched is when the thread last ran, on the scheduler's clock; where that clock
/// stands is learnt from a thread of our own that has just slept too.
/// </summary>
internal sealed class SleepObservation
{
    private const long NsPerMs = 1_000_000;

    private readonly int _call;
    private readonly long _sinceMonotonic;
    private readonly long _switches;

    private SleepObservation(int call, long sinceMonotonic, long switches)
    {
        _call = call;
        _sinceMonotonic = sinceMonotonic;
        _switches = switches;
    }

    /// <returns>null: it is not in a call whose deadline could matter, or the kernel does not say.</returns>
    public static SleepObservation? Observe(int pid)
    {
        if (CallOf(pid) is not { } call || !HasHiddenDeadline(call.Number, call.Arguments))
        {
            return null;
        }

        // Each CPU has its own scheduler clock (what the hypervisor steals is not in it): ours is read where theirs was.
        using var there = CpuOf(pid) is { } cpu ? Affinity.On(cpu) : null;
        if (there is null || Scheduling($"/proc/{pid}/sched") is not { } theirs)
        {
            return null;
        }

        // The scheduler accounts for a running thread when it gives way: exec_start is then a moment ago.
        Thread.Yield();
        if (Scheduling("/proc/thread-self/sched") is not { } ours)
        {
            return null;
        }

        var now = ClockReader.Monotonic;
        return new SleepObservation(call.Number, now - Math.Max(0, ours.ExecStart - theirs.ExecStart), theirs.VoluntarySwitches);
    }

    /// <summary>When the call that was just interrupted began to wait; null: it is not the one that was seen.</summary>
    public long? WaitingSince(int pid, long call)
    {
        // Woken by the interrupt, the thread has given up the CPU once more, to stop. Any other count: it slept another time in between.
        var switches = Scheduling($"/proc/{pid}/sched")?.VoluntarySwitches;
        return call == _call && switches == _switches + 1 ? _sinceMonotonic : null;
    }

    /// <summary>A relative timeout of which the kernel does not tell the program what is left.</summary>
    private static bool HasHiddenDeadline(int call, ulong[] arguments) => call switch
    {
        CallNumber.nanosleep => arguments[1] == 0,
        CallNumber.clock_nanosleep => arguments[1] == 0 && arguments[3] == 0,
        CallNumber.futex => arguments[3] != 0,
        CallNumber.poll => (int)arguments[2] > 0,
        CallNumber.epoll_wait or CallNumber.epoll_pwait => (int)arguments[3] > 0,
        _ => false,
    };

    /// <summary>The call a thread sleeps in: "number 0xargument... 0xsp 0xpc", or "running".</summary>
    private static (int Number, ulong[] Arguments)? CallOf(int pid)
    {
        try
        {
            var words = File.ReadAllText($"/proc/{pid}/syscall").Split(' ');
            if (words.Length < 7 || !int.TryParse(words[0], CultureInfo.InvariantCulture, out var number) || number < 0)
            {
                return null;
            }

            var arguments = new ulong[6];
            for (var i = 0; i < arguments.Length; i++)
            {
                arguments[i] = ulong.Parse(words[i + 1].AsSpan(2), NumberStyles.HexNumber, CultureInfo.InvariantCulture);
            }

            return (number, arguments);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    private static int? CpuOf(int pid)
    {
        try
        {
            return ProcessStat.Read(pid).Processor;
        }
        catch (TraceeException)
        {
            return null; // gone: the seizure will say so
        }
    }

    private static (long ExecStart, long VoluntarySwitches)? Scheduling(string path)
    {
        try
        {
            long? execStart = null, switches = null;
            foreach (var line in File.ReadLines(path))
            {
                var colon = line.LastIndexOf(':');
                if (colon < 0)
                {
                    continue;
                }

                var value = line.AsSpan(colon + 1).Trim();
                if (line.StartsWith("se.exec_start", StringComparison.Ordinal))
                {
                    execStart = (long)(decimal.Parse(value, CultureInfo.InvariantCulture) * NsPerMs);
                }
                else if (line.StartsWith("nr_voluntary_switches", StringComparison.Ordinal))
                {
                    switches = long.Parse(value, CultureInfo.InvariantCulture);
                }
            }

            return execStart is { } start && switches is { } count ? (start, count) : null;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }
}
