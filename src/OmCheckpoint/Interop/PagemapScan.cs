using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace OpenMosix.Checkpoint.Interop;

/// <summary>PAGEMAP_SCAN of linux/fs.h (Linux 6.7).</summary>
internal static unsafe class PagemapScan
{
    public const ulong PAGE_IS_WPALLOWED = 1 << 0;
    public const ulong PAGE_IS_WRITTEN = 1 << 1;
    public const ulong PAGE_IS_FILE = 1 << 2;
    public const ulong PAGE_IS_PRESENT = 1 << 3;
    public const ulong PAGE_IS_SWAPPED = 1 << 4;
    public const ulong PAGE_IS_PFNZERO = 1 << 5;
    public const ulong PAGE_IS_HUGE = 1 << 6;

    private const nuint PAGEMAP_SCAN = 0xc060_6610; // _IOWR('f', 16, struct pm_scan_arg)

    [StructLayout(LayoutKind.Sequential)]
    public struct Region
    {
        public ulong Start;
        public ulong End;
        public ulong Categories;
    }

    [StructLayout(LayoutKind.Sequential)]
    public struct Argument
    {
        public ulong Size;
        public ulong Flags;
        public ulong Start;
        public ulong End;
        public ulong WalkEnd;
        public ulong Vector;
        public ulong VectorLength;
        public ulong MaxPages;
        public ulong CategoryInverted;
        public ulong CategoryMask;
        public ulong CategoryAnyofMask;
        public ulong ReturnMask;
    }

    /// <summary>Finds what is private in [start, end): there, or swapped out, and neither the file's nor the zero page.</summary>
    /// <returns>How many regions were written, or -errno; walkEnd is where to go on.</returns>
    public static int FindPrivate(SafeFileHandle pagemap, ulong start, ulong end, Span<Region> regions, out ulong walkEnd)
    {
        fixed (Region* pointer = regions)
        {
            var argument = new Argument
            {
                Size = (ulong)sizeof(Argument),
                Start = start,
                End = end,
                Vector = (ulong)pointer,
                VectorLength = (ulong)regions.Length,
                CategoryInverted = PAGE_IS_FILE | PAGE_IS_PFNZERO,
                CategoryMask = PAGE_IS_FILE | PAGE_IS_PFNZERO,
                CategoryAnyofMask = PAGE_IS_PRESENT | PAGE_IS_SWAPPED,
                ReturnMask = PAGE_IS_HUGE,
            };
            var result = Kernel.Ioctl(pagemap, PAGEMAP_SCAN, &argument);
            walkEnd = argument.WalkEnd;
            return result;
        }
    }
}
