using System.Globalization;
using Microsoft.Win32.SafeHandles;
using OpenMosix.Checkpoint.Interop;
using OpenMosix.Checkpoint.Proc;
using OpenMosix.Checkpoint.Snapshot;
using OpenMosix.Checkpoint.Tracing;
using OpenMosix.Protocol.V1;

namespace OpenMosix.Checkpoint.Pages;

/// <summary>Shared memory (MappedFile.memory), opened where a process has it mapped: the object itself at home, the memfd that stands for it elsewhere.</summary>
public static class MemoryFiles
{
    /// <summary>
    /// For reading and writing, through /proc/PID/map_files. Null: that process does not have it, or is gone. An image that came from elsewhere says what
    /// is memory: only what that process has opened for writing itself is given out, and unless it is said to be written to, only what no name leads to.
    /// </summary>
    public static SafeFileHandle? Open(int pid, MappedFile memory) => Open(pid, memory, 0, 0);

    /// <param name="hiddenStart">Where the agent lies, whose arena is nobody's memory.</param>
    internal static SafeFileHandle? Open(int pid, MappedFile memory, ulong hiddenStart, ulong hiddenEnd)
    {
        try
        {
            foreach (var area in MemoryMap.Read(pid).Where(area => area.Shared && Is(area, memory) && !area.Overlaps(hiddenStart, hiddenEnd)))
            {
                var link = Link(pid, area);
                if (IsOpenForWriting(link, named: memory.Written) && Kernel.OpenWrite(link, out var file) == 0)
                {
                    return file;
                }
            }
        }
        catch (TraceeException)
        {
        }

        return null;
    }

    /// <summary>What a remote has mapped of MappedFile.written, each once.</summary>
    public static IReadOnlyList<MappedFile> Written(int pid)
    {
        try
        {
            return [.. MemoryMap.Read(pid)
                .Select(area => RemoteFileName.TryDecode(area.Name, out var file) && file.Written ? file : null)
                .OfType<MappedFile>()
                .DistinctBy(file => (file.Device, file.Inode))];
        }
        catch (TraceeException)
        {
            return [];
        }
    }

    /// <summary>What a range of a remote's addresses shows of MappedFile.written.</summary>
    public static IReadOnlyList<(MappedFile File, long Offset, long Bytes)> Shown(int pid, ulong start, ulong end)
    {
        var shown = new List<(MappedFile, long, long)>();
        try
        {
            foreach (var area in MemoryMap.Read(pid).Where(area => area.Overlaps(start, end)))
            {
                if (RemoteFileName.TryDecode(area.Name, out var file) && file.Written)
                {
                    var from = Math.Max(start, area.Start);
                    shown.Add((file, (long)(area.Offset + (from - area.Start)), (long)(Math.Min(end, area.End) - from)));
                }
            }
        }
        catch (TraceeException)
        {
            // It has ended.
        }

        return shown;
    }

    /// <summary>Pieces of a memory file that have content, and what has none between them: ascending, all of it.</summary>
    public static IEnumerable<(long Offset, long Bytes, bool Zeros)> Pieces(SafeFileHandle memory, int pieceBytes)
    {
        var size = RandomAccess.GetLength(memory);
        for (long at = 0; at < size;)
        {
            var data = Kernel.SeekData(memory, at);
            var from = data < 0 ? size : data;
            if (from > at)
            {
                yield return (at, from - at, true);
            }

            var end = data < 0 ? size : Math.Min(size, Kernel.SeekHole(memory, from));
            for (at = from; at < end; at += pieceBytes)
            {
                yield return (at, Math.Min(pieceBytes, end - at), false);
            }

            at = end;
        }
    }

    /// <summary>Whether Open would find it.</summary>
    public static bool IsMapped(int pid, MappedFile memory)
    {
        try
        {
            return MemoryMap.Read(pid).Any(area => area.Shared && Is(area, memory) && IsOpenForWriting(Link(pid, area), memory.Written));
        }
        catch (TraceeException)
        {
            return false;
        }
    }

    private static string Link(int pid, MemoryArea area) => string.Create(CultureInfo.InvariantCulture, $"/proc/{pid}/map_files/{area.Start:x}-{area.End:x}");

    /// <summary>A path, as /proc tells it, of a file that is memory.</summary>
    public static bool IsNamed(string path) => MappingRules.IsMemoryFile(path);

    /// <summary>Another descriptor of the same open file. Null: there is none free.</summary>
    public static SafeFileHandle? Again(SafeFileHandle file) => Kernel.Duplicate(file);

    /// <summary>As stat(2) tells; (0, 0): it does not.</summary>
    public static (ulong Device, ulong Inode) IdentityOf(SafeFileHandle file) =>
        Kernel.Status(string.Create(CultureInfo.InvariantCulture, $"/proc/self/fd/{file.DangerousGetHandle()}"), out var status) == 0
            ? (status.Device, status.Inode)
            : (0, 0);

    /// <summary>Whether a program that the process executes would have a descriptor of one of these (proc_pid_fdinfo(5)).</summary>
    public static bool HandsDown(int pid, IReadOnlyCollection<SharedMemory> files)
    {
        const int O_CLOEXEC = 0x80000;
        try
        {
            return Directory.EnumerateFileSystemEntries($"/proc/{pid}/fd").Any(link => Kernel.Status(link, out var status) == 0
                && files.Any(file => (file.FileDevice, file.FileInode) == (status.Device, status.Inode))
                && (FlagsOf(pid, Path.GetFileName(link)) & O_CLOEXEC) == 0);
        }
        catch (IOException)
        {
            return false; // it has ended
        }
    }

    private static int FlagsOf(int pid, string descriptor) => Convert.ToInt32(
        File.ReadLines($"/proc/{pid}/fdinfo/{descriptor}").First(line => line.StartsWith("flags:", StringComparison.Ordinal))[6..].Trim(), 8);

    /// <summary>What is mapped shared at an address at home; null: nothing.</summary>
    public static MappedFile? At(int pid, ulong address)
    {
        try
        {
            return MemoryMap.Read(pid).FirstOrDefault(area => area.Shared && area.Overlaps(address, address + 1)) is { } area
                ? new MappedFile { Path = area.Name, Device = area.Device, Inode = area.Inode, Memory = true }
                : null;
        }
        catch (TraceeException)
        {
            return null;
        }
    }

    private static bool Is(MemoryArea area, MappedFile memory) => RemoteFileName.TryDecode(area.Name, out var file)
        ? file.Memory && file.Device == memory.Device && file.Inode == memory.Inode
        : (memory.Written || MappingRules.IsMemoryFile(area.Name)) && area.Device == memory.Device && area.Inode == memory.Inode;

    /// <summary>How the file of a mapping was opened.</summary>
    internal static bool IsOpenForWriting(int pid, MemoryArea area) => IsOpenForWriting(Link(pid, area), named: true);

    // The link's own mode tells how the file was opened (proc(5), map_files).
    private static bool IsOpenForWriting(string link, bool named) => Kernel.Status(link, out var status) == 0 && status.IsRegular && (named || status.Links == 0)
        && Kernel.LinkMode(link) is { } mode && (mode & 0x80) != 0;
}
