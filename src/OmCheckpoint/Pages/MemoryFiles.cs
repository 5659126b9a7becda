using System.Globalization;
using Microsoft.Win32.SafeHandles;
using OpenMosix.Checkpoint.Proc;
using OpenMosix.Checkpoint.Tracing;
using OpenMosix.Protocol.V1;

namespace OpenMosix.Checkpoint.Pages;

/// <summary>Shared memory (MappedFile.memory), opened where a process has it mapped: the object itself at home, the memfd that stands for it elsewhere.</summary>
public static class MemoryFiles
{
    /// <summary>For reading and writing, through /proc/PID/map_files. Null: that process does not have it, or is gone.</summary>
    public static SafeFileHandle? Open(int pid, MappedFile memory)
    {
        try
        {
            return MemoryMap.Read(pid).FirstOrDefault(area => area.Shared && Is(area, memory)) is { } area
                ? File.OpenHandle(
                    string.Create(CultureInfo.InvariantCulture, $"/proc/{pid}/map_files/{area.Start:x}-{area.End:x}"),
                    FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite)
                : null;
        }
        catch (Exception gone) when (gone is IOException or UnauthorizedAccessException or TraceeException)
        {
            return null;
        }
    }

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
        : area.Device == memory.Device && area.Inode == memory.Inode;
}
