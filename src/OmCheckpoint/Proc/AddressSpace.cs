using OpenMosix.Checkpoint.Interop;
using OpenMosix.Checkpoint.Tracing;
using OpenMosix.Protocol.Image;

namespace OpenMosix.Checkpoint.Proc;

/// <summary>Finds places in an address space.</summary>
internal static class AddressSpace
{
    private const ulong Alignment = 0x20_0000;

    /// <summary>Lowest address that is handed out: below it lie programs that are not position independent, and their heaps.</summary>
    private const ulong Lowest = 0x1000_0000;

    /// <summary>A place for the agent: in the middle of the largest gap, where neither the heap nor mmap gets so soon, and where
    /// nothing else likes to be in another process that is to become the body.</summary>
    public static AgentArea ForAgent(IReadOnlyList<MemoryArea> areas, uint slots)
    {
        var (start, end) = LargestGap(areas.Select(area => (area.Start, area.End)));
        return new AgentArea(new RemoteAddress((start + ((end - start) / 2)) & ~(Alignment - 1)), slots);
    }

    /// <summary>A free place of that size, clear of everything in taken.</summary>
    public static RemoteAddress Free(IEnumerable<(ulong Start, ulong End)> taken, ulong bytes)
    {
        var (start, end) = LargestGap(taken);
        // A quarter into the gap: not next to anything that grows, and not where the agent of a process like it lies.
        var address = (start + ((end - start) / 4)) & ~(Alignment - 1);
        return address > start && end - address > bytes
            ? new RemoteAddress(address)
            : throw new TraceeException($"no free place of {bytes} bytes in the address space", Errno.ENOMEM);
    }

    private static (ulong Start, ulong End) LargestGap(IEnumerable<(ulong Start, ulong End)> taken)
    {
        ulong position = Lowest, bestStart = Lowest, bestEnd = Lowest;
        foreach (var (start, end) in taken.Order().Append((ImageFormat.UserEnd, ImageFormat.UserEnd)))
        {
            var stop = Math.Min(start, ImageFormat.UserEnd);
            if (stop > position && stop - position > bestEnd - bestStart)
            {
                (bestStart, bestEnd) = (position, stop);
            }

            position = Math.Max(position, end);
        }

        return (bestStart, bestEnd);
    }

    /// <summary>A syscall instruction in the vDSO. Any two bytes 0f 05 are one, wherever they lie.</summary>
    public static RemoteAddress SyscallInstruction(Tracee tracee, IReadOnlyList<MemoryArea> areas)
    {
        var vdso = areas.FirstOrDefault(area => area.IsVdso)
            ?? throw new TraceeException("the process has no vDSO");
        var code = new byte[vdso.Bytes];
        tracee.Read(new RemoteAddress(vdso.Start), code);
        var offset = code.AsSpan().IndexOf([(byte)0x0f, (byte)0x05]);
        return offset < 0
            ? throw new TraceeException("the vDSO holds no syscall instruction")
            : new RemoteAddress(vdso.Start + (ulong)offset);
    }
}
