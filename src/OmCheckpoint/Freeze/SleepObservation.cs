using System.Globalization;
using OpenMosix.Checkpoint.Interop;
using OpenMosix.Checkpoint.Proc;

namespace OpenMosix.Checkpoint.Freeze;

/// <summary>
/// What a thread waits in and since when, seen before it is disturbed: the kernel keeps the deadline of a call with a relative timeout where
/// nobody can read it. se.exec_start of /proc/TID/sched is when the thread last ran, on the scheduler's clock; where that clock
/// stands is learnt from a thread of our own that has just slept too.
/// </summary>
internal sealed class SleepObservation
{
    private const long NsPerMs = 1_000_000;
    private const ulong FUTEX_CMD_MASK = 0x7f;
    private const ulong FUTEX_WAIT = 0; // FUTEX_WAIT_BITSET has an end that is absolute

    private readonly int _call;
    private readonly long _sinceMonotonic;
    private readonly long _switches;

    private SleepObservation(int call, long sinceMonotonic, long switches)
    {
        _call = call;
        _sinceMonotonic = sinceMonotonic;
        _switches = switches;
    }

    private readonly record struct Scheduling(long ExecStart, long VoluntarySwitches);

    /// <summary>Of those of a process's threads that are in a call whose deadline could matter, as far as the kernel says.</summary>
    public static Dictionary<int, SleepObservation> Observe(int pid, IEnumerable<int> tids)
    {
        var sleepers = new List<(int Tid, int Call, int Cpu)>();
        foreach (var tid in tids)
        {
            if (CallOf(tid) is { } call && HasHiddenDeadline(call.Number, call.Arguments) && ThreadStat.Read(pid, tid) is { } stat)
            {
                sleepers.Add((tid, call.Number, stat.Processor));
            }
        }

        var observed = new Dictionary<int, SleepObservation>();
        // Each CPU has its own scheduler clock (what the hypervisor steals is not in it): ours is read where theirs was.
        foreach (var there in sleepers.GroupBy(sleeper => sleeper.Cpu))
        {
            ObserveOn(pid, there.Key, [.. there.Select(sleeper => (sleeper.Tid, sleeper.Call))], observed);
        }

        return observed;
    }

    /// <summary>When the call that was just interrupted began to wait; null: it is not the one that was seen.</summary>
    public long? WaitingSince(int tid, long call)
    {
        // Woken by the interrupt, the thread has given up the CPU once more, to stop. Any other count: it slept another time in between.
        return call == _call && Read($"/proc/{tid}/sched")?.VoluntarySwitches == _switches + 1 ? _sinceMonotonic : null;
    }

    private static void ObserveOn(int pid, int cpu, List<(int Tid, int Call)> sleepers, Dictionary<int, SleepObservation> observed)
    {
        using var there = Affinity.On(cpu);
        if (there is null)
        {
            return;
        }

        var theirs = sleepers.ConvertAll(sleeper => Read($"/proc/{sleeper.Tid}/sched"));
        // The scheduler accounts for a running thread when it gives way: exec_start is then a moment ago.
        Thread.Yield();
        if (Read("/proc/thread-self/sched") is not { } ours)
        {
            return;
        }

        var now = ClockReader.Monotonic;
        for (var i = 0; i < sleepers.Count; i++)
        {
            // One that is awake or has slept on another CPU since it was listed was not seen asleep by this clock. If it slept again after that, its
            // count of switches tells.
            if (theirs[i] is { } then && ThreadStat.Read(pid, sleepers[i].Tid) is { State: 'S' } still && still.Processor == cpu)
            {
                observed[sleepers[i].Tid] = new SleepObservation(
                    sleepers[i].Call, now - Math.Max(0, ours.ExecStart - then.ExecStart), then.VoluntarySwitches);
            }
        }
    }

    /// <summary>A relative timeout of which the kernel does not tell the program what is left.</summary>
    private static bool HasHiddenDeadline(int call, ulong[] arguments) => call switch
    {
        CallNumber.nanosleep => arguments[1] == 0,
        CallNumber.clock_nanosleep => arguments[1] == 0 && arguments[3] == 0,
        CallNumber.futex => arguments[3] != 0 && (arguments[1] & FUTEX_CMD_MASK) == FUTEX_WAIT,
        CallNumber.poll => (int)arguments[2] > 0,
        CallNumber.epoll_wait or CallNumber.epoll_pwait => (int)arguments[3] > 0,
        CallNumber.epoll_pwait2 or CallNumber.semtimedop => arguments[3] != 0,
        CallNumber.rt_sigtimedwait => arguments[2] != 0,
        _ => false,
    };

    /// <summary>The call a thread sleeps in: "number 0xargument... 0xsp 0xpc", or "running".</summary>
    private static (int Number, ulong[] Arguments)? CallOf(int tid)
    {
        var words = (ProcFile.Read($"/proc/{tid}/syscall") ?? "").Split(' ');
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

    private static Scheduling? Read(string path)
    {
        var text = ProcFile.Read(path) ?? "";
        return Value(text, "\nse.exec_start ") is { } start && Value(text, "\nnr_voluntary_switches ") is { } switches
            ? new Scheduling((long)(start * NsPerMs), (long)switches)
            : null;
    }

    private static decimal? Value(string text, string name)
    {
        var at = text.IndexOf(name, StringComparison.Ordinal);
        if (at < 0)
        {
            return null;
        }

        var line = text.AsSpan(at + name.Length);
        line = line[..line.IndexOf('\n')];
        return decimal.TryParse(line[(line.IndexOf(':') + 1)..], CultureInfo.InvariantCulture, out var value) ? value : null;
    }
}
