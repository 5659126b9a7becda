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
    /// is memory: only what no name leads to, and what that process has opened for writing itself, is given out.
    /// </summary>
    public static SafeFileHandle? Open(int pid, MappedFile memory) => Open(pid, memory, 0, 0);

    /// <param name="hiddenStart">Where the agent lies, whose arena is nobody's memory.</param>
    internal static SafeFileHandle? Open(int pid, MappedFile memory, ulong hiddenStart, ulong hiddenEnd)
    {
        try
        {
            foreach (var area in MemoryMap.Read(pid).Where(area => area.Shared && Is(area, memory) && !area.Overlaps(hiddenStart, hiddenEnd)))
            {
                var link = string.Create(CultureInfo.InvariantCulture, $"/proc/{pid}/map_files/{area.Start:x}-{area.End:x}");
                if (IsNameless(link))
                {
                    return File.OpenHandle(link, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite);
                }
            }
        }
        catch (Exception gone) when (gone is IOException or UnauthorizedAccessException or TraceeException)
        {
        }

        return null;
    }

    /// <summary>A path, as /proc tells it, of a file that is memory.</summary>
    public static bool IsNamed(string path) => MappingRules.IsMemoryFile(path);

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
        : MappingRules.IsMemoryFile(area.Name) && area.Device == memory.Device && area.Inode == memory.Inode;

    // The link's own mode tells how the file was opened (proc(5), map_files).
    private static bool IsNameless(string link) => Kernel.Status(link, out var status) == 0 && status.IsRegular && status.Links == 0
        && Kernel.LinkMode(link) is { } mode && (mode & 0x80) != 0;
}
