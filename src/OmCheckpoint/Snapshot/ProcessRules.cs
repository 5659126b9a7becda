using System.Globalization;
using OpenMosix.Checkpoint.Interop;
using OpenMosix.Checkpoint.Proc;
using OpenMosix.Protocol.Errors;
using OpenMosix.Protocol.Image;
using OpenMosix.Protocol.V1;
using ProcessStatus = OpenMosix.Checkpoint.Proc.ProcessStatus;

namespace OpenMosix.Checkpoint.Snapshot;

/// <summary>What keeps a process at home besides its mappings.</summary>
internal static class ProcessRules
{
    /// <summary>At home, frozen or not.</summary>
    public static Refusal? Check(int pid, ProcessStatus status)
    {
        if (status is { State: 'Z', Threads: > 1 })
        {
            return Refusals.LeaderExited();
        }

        if (!status.HasMemory)
        {
            return Refusals.NoMemory();
        }

        if (Threads(status) is { } refusal)
        {
            return refusal;
        }

        var tids = TaskList.Of(pid);
        return Filter(tids) ?? SharedMemorySpace(pid, status, tids) ?? Descriptors(pid);
    }

    /// <summary>Of those that cannot move, the ones with thousands of threads, or of which there may be thousands, as a chain of vforks: to read the mappings
    /// of them all takes seconds. Not who waits for such a child: that may be over in a moment.</summary>
    public static Refusal? TooMany(int pid) => ProcessStatus.Read(pid) is { } status ? Threads(status) ?? ParentsMemory(pid, status) : null;

    private static Refusal? Threads(ProcessStatus status) => status.Threads > ImageFormat.ThreadsMax ? Refusals.Threads(status.Threads) : null;

    /// <summary>Each thread may have one of its own.</summary>
    private static Refusal? Filter(List<int> tids)
    {
        var mode = tids.Select(tid => ProcessStatus.Read(tid)?.Seccomp ?? 0).FirstOrDefault(found => found != 0);
        return mode == 0 ? null : Refusals.Seccomp(mode);
    }

    private static Refusal? SharedMemorySpace(int pid, ProcessStatus status, List<int> tids)
    {
        if (ParentsMemory(pid, status) is { } refusal)
        {
            return refusal;
        }

        foreach (var child in tids.SelectMany(tid => Children(pid, tid)))
        {
            if (Kernel.SameMemory(pid, child))
            {
                return Refusals.SharedAddressSpace(child);
            }
        }

        return null;
    }

    private static Refusal? ParentsMemory(int pid, ProcessStatus status) =>
        status.ParentPid != 0 && Kernel.SameMemory(pid, status.ParentPid) ? Refusals.SharedAddressSpace(status.ParentPid) : null;

    // Not every kernel has the file.
    private static IEnumerable<int> Children(int pid, int tid) =>
        (ProcFile.Read($"/proc/{pid}/task/{tid}/children") ?? "").Split(' ', StringSplitOptions.RemoveEmptyEntries)
            .Select(word => int.Parse(word, CultureInfo.InvariantCulture));

    /// <summary>Descriptors whose kernel objects reach into the process's memory.</summary>
    private static Refusal? Descriptors(int pid)
    {
        try
        {
            foreach (var link in Directory.EnumerateFileSystemEntries($"/proc/{pid}/fd"))
            {
                var target = File.ResolveLinkTarget(link, returnFinalTarget: false)?.FullName ?? "";
                var number = Path.GetFileName(link);
                var refusal = target switch
                {
                    _ when target.EndsWith("anon_inode:[io_uring]", StringComparison.Ordinal) => Refusals.IoUring($"descriptor {number}"),
                    _ when target.EndsWith("anon_inode:[userfaultfd]", StringComparison.Ordinal) => Refusals.Userfaultfd($"descriptor {number}"),
                    _ when target.EndsWith("anon_inode:[perf_event]", StringComparison.Ordinal) => Refusals.PerfEvents($"descriptor {number}"),
                    _ when target.EndsWith("anon_inode:[signalfd]", StringComparison.Ordinal) => Refusals.Signalfd($"descriptor {number}"),
                    _ => null,
                };
                if (refusal is not null)
                {
                    return refusal;
                }
            }
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return null; // it has ended, or is not ours to look at: the freeze will say so
        }

        return null;
    }
}
