using OpenMosix.Checkpoint.Pages;
using OpenMosix.Checkpoint.Proc;
using OpenMosix.Protocol.Errors;
using OpenMosix.Protocol.V1;

namespace OpenMosix.Checkpoint.Snapshot;

/// <summary>What kind of mapping an area is, and which areas keep a process at home (KERNEL.md 15). What is not known is refused.</summary>
internal static class MappingRules
{
    /// <summary>VmFlags that can be rebuilt, or that mean nothing to the program.</summary>
    private static readonly HashSet<string> Known =
    [
        "rd", "wr", "ex", "sh", "mr", "mw", "me", "ms", "gd", "lo", "sr", "rr", "dc", "ac", "nr", "dd", "sd", "hg", "nh", "mg", "wf", "dp",
    ];

    public static MappingKind KindOf(MemoryArea area) => area.Name switch
    {
        "[vdso]" => MappingKind.Vdso,
        "[vvar]" => MappingKind.Vvar,
        "[vvar_vclock]" => MappingKind.VvarVclock,
        "[vsyscall]" => MappingKind.Vsyscall,
        _ when area.IsFile && !IsPrivateZero(area) => area.Shared ? MappingKind.FileShared : MappingKind.FilePrivate,
        _ when area.Flags.Contains("gd") || area.Name == "[stack]" => MappingKind.Stack,
        _ => MappingKind.Anonymous,
    };

    /// <param name="memory">Shared memory whose users all move together.</param>
    public static Refusal? Check(MemoryArea area, SharedMemorySet memory)
    {
        if (area.IsVdso || area.IsVvar || area.IsVsyscall)
        {
            return null;
        }

        foreach (var flag in area.Flags)
        {
            var refusal = flag switch
            {
                "ht" => Refusals.HugeTlb(area.ToString()),
                "ss" => Refusals.ShadowStack(area.ToString()),
                "sl" => Refusals.Sealed(area.ToString()),
                "um" or "uw" or "ui" => Refusals.Userfaultfd(area.ToString()),
                _ => null,
            };
            if (refusal is not null)
            {
                return refusal;
            }
        }

        return ByName(area) ?? ByFlags(area, memory);
    }

    /// <summary>Why an area of this name stays at home, whoever else has it; null: the name alone does not tell.</summary>
    public static Refusal? ByName(MemoryArea area)
    {
        var name = area.Name;
        if (name.StartsWith("/[aio]", StringComparison.Ordinal))
        {
            return Refusals.Aio(area.ToString());
        }

        if (name.StartsWith("anon_inode:", StringComparison.Ordinal))
        {
            return name.Contains("io_uring", StringComparison.Ordinal) ? Refusals.IoUring(area.ToString())
                : name.Contains("perf_event", StringComparison.Ordinal) ? Refusals.PerfEvents(area.ToString())
                : Refusals.DeviceMapping(area.ToString());
        }

        if (name.StartsWith("/SYSV", StringComparison.Ordinal) && area.Shared)
        {
            return Refusals.SystemVSharedMemory(area.ToString());
        }

        if (name.StartsWith("socket:", StringComparison.Ordinal))
        {
            return Refusals.DeviceMapping(area.ToString());
        }

        var isOurs = name is "" or "[heap]" or "[stack]" || name.StartsWith("[anon:", StringComparison.Ordinal) || name[0] == '/';
        return isOurs ? null : Refusals.UnknownMapping(area.ToString(), "its name");
    }

    private static Refusal? ByFlags(MemoryArea area, SharedMemorySet memory)
    {
        if (IsWritten(area) && !memory.Holds(area))
        {
            return Refusals.SharedMemory(area.ToString());
        }

        if (area.Flags.Contains("io") || area.Flags.Contains("pf") || area.Flags.Contains("mm"))
        {
            return Refusals.DeviceMapping(area.ToString());
        }

        var unknown = area.Flags.FirstOrDefault(flag => !Known.Contains(flag));
        return unknown is null ? null : Refusals.UnknownMapping(area.ToString(), $"flag {unknown}");
    }

    /// <summary>Shared memory that this process or another can write. VM_SHARED is only set when the file was opened for writing; the memfd that stands for
    /// a file in a remote always is, and nobody writes it.</summary>
    public static bool IsWritten(MemoryArea area) => area.Shared
        && (RemoteFileName.TryDecode(area.Name, out var file)
            ? file.Memory || area.Writable
            : area.Writable || area.Flags.Contains("sh") || IsMemoryFile(area.Name));

    /// <summary>A private mapping of /dev/zero: anonymous memory of the old kind.</summary>
    private static bool IsPrivateZero(MemoryArea area) => !area.Shared && area.Name == "/dev/zero";

    /// <summary>Files that are memory: read-only here, but somebody writes them.</summary>
    public static bool IsMemoryFile(string name) => name.StartsWith("/dev/shm/", StringComparison.Ordinal)
        || name.StartsWith("/memfd:", StringComparison.Ordinal)
        || name.StartsWith("/dev/zero", StringComparison.Ordinal);
}
