using System.Text.RegularExpressions;
using OpenMosix.Compat.Moving;

namespace OpenMosix.Compat.Pages;

/// <summary>Why processes were not moved, as a cell of a table, and what the names mean.</summary>
internal static partial class Reasons
{
    private const string NoneListed = "none-listed";

    private static readonly Dictionary<string, string> Known = new()
    {
        [NoneListed] = "`omctl ps` listed no process of the job: those it had ended before anybody looked (10 times a second), or left their session and process group, as daemons do, and so the job.",
        ["ended"] = "The process ended before its move did.",
        ["already-there"] = "It was there already: another of its group had been moved, or an exec had brought it home.",
        ["shared-memory"] = "It has shared memory that can be seen without mapping it, because it has a name or an open descriptor, or is a file; or that a process of no job has, too. Whoever looked at home would not see what is stored elsewhere.",
        ["sysv-shared-memory"] = "A System V segment is attached (shmat): it is found by its number, hence the same as `shared-memory`.",
        ["leader-exited"] = "The first thread has ended by itself (pthread_exit in main) and others go on; its tid is a zombie that cannot be made anew.",
        ["threads"] = "More threads than an image holds.",
        ["io-uring"] = "Its rings are memory that the kernel of home writes to, and what is submitted names addresses of the body.",
        ["aio"] = "An AIO ring (io_setup) is memory that the kernel of home writes to.",
        ["userfaultfd"] = "The process serves page faults of its own memory through an fd of home's kernel.",
        ["perf-events"] = "A perf event counts at home what no longer runs there.",
        ["signalfd"] = "It reads what is pending at home; while the body is away its signals are pending where it runs.",
        ["traced"] = "A tracer is attached to it (ptrace): a second one, which a move needs, is not possible.",
        ["seccomp-filter"] = "The process has a filter of its own, which would judge the calls that a move injects, and cannot be read back to be set at the target.",
        ["hugetlb"] = "Memory from hugetlbfs, whose pool the target may not have.",
        ["sealed-memory"] = "A mapping is sealed (mseal, F_SEAL_*): it cannot be unmapped, nor rebuilt by parts.",
        ["device-mapping"] = "Memory of a device is mapped.",
        ["unknown-mapping"] = "A mapping of a kind that this version does not know.",
        ["address-space"] = "It has used up its RLIMIT_AS or RLIMIT_DATA, or RLIMIT_MEMLOCK with all memory locked: nothing can be mapped in it, hence no agent.",
        ["syscall-user-dispatch"] = "Its system calls raise SIGSYS in it (prctl(2), PR_SET_SYSCALL_USER_DISPATCH), and so would those that a move has it execute.",
        ["32-bit"] = "A program of the 32-bit ABI.",
        ["shared-address-space"] = "Another process has the same memory (vfork, CLONE_VM without CLONE_THREAD), for the moment or for good.",
        ["vdso"] = "The vDSO of the process is not the target's.",
        ["cpu"] = "The target's CPU misses a feature the process has state of.",
        ["stopped"] = "The process is stopped (SIGSTOP, Ctrl-Z) at the moment.",
        ["kernel-thread"] = "It has ended at the moment it was to be moved (a zombie has no address space).",
    };

    /// <summary>`name` × how often, the most frequent first.</summary>
    internal static string Cell(MoveTally tally) => tally is { Moves: 0, Refusals.Count: 0 } ? $"`{NoneListed}`" : string.Join(", ", tally.Refusals.Select(each => $"`{each.Key.Replace('`', '\'')}` × {each.Value.Count}"));

    /// <summary>Of the names in these rows, those that are a property of the process.</summary>
    internal static IEnumerable<string> Explain(IEnumerable<string> rows)
    {
        var names = rows.SelectMany(row => Name().Matches(row)).Select(match => match.Groups[1].Value).ToHashSet();
        return Known.Where(each => names.Contains(each.Key)).Select(each => $"* `{each.Key}`: {each.Value}");
    }

    [GeneratedRegex("`([^`]+)`")]
    private static partial Regex Name();
}
