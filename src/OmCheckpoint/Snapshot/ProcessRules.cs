using System.Globalization;
using OpenMosix.Checkpoint.Interop;
using OpenMosix.Checkpoint.Proc;
using OpenMosix.Protocol.Errors;
using OpenMosix.Protocol.V1;
using ProcessStatus = OpenMosix.Checkpoint.Proc.ProcessStatus;

namespace OpenMosix.Checkpoint.Snapshot;

/// <summary>What keeps a process at home besides its mappings.</summary>
internal static class ProcessRules
{
    /// <summary>At home, frozen or not.</summary>
    public static Refusal? Check(int pid, ProcessStatus status)
    {
        if (!status.HasMemory)
        {
            return Refusals.NoMemory();
        }

        if (status.Threads > 1)
        {
            return Refusals.Threads(status.Threads);
        }

        if (status.Seccomp != 0)
        {
            return Refusals.Seccomp(status.Seccomp);
        }

        return SharedMemorySpace(pid, status) ?? Descriptors(pid);
    }

    private static Refusal? SharedMemorySpace(int pid, ProcessStatus status)
    {
        if (status.ParentPid != 0 && Kernel.SameMemory(pid, status.ParentPid))
        {
            return Refusals.SharedAddressSpace(status.ParentPid);
        }

        foreach (var child in Children(pid))
        {
            if (Kernel.SameMemory(pid, child))
            {
                return Refusals.SharedAddressSpace(child);
            }
        }

        return null;
    }

    private static IEnumerable<int> Children(int pid)
    {
        string text;
        try
        {
            text = File.ReadAllText($"/proc/{pid}/task/{pid}/children");
        }
        catch (IOException)
        {
            yield break; // not every kernel has it, or the process has just ended
        }

        foreach (var word in text.Split(' ', StringSplitOptions.RemoveEmptyEntries))
        {
            yield return int.Parse(word, CultureInfo.InvariantCulture);
        }
    }

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
