using System.Buffers.Binary;
using System.Runtime.InteropServices;
using OpenMosix.Checkpoint.Proc;
using OpenMosix.Checkpoint.Snapshot;
using OpenMosix.Protocol.V1;

namespace OpenMosix.Checkpoint.Tests.Snapshot;

/// <summary>Memory of this very process, of which nobody else touches a page.</summary>
public sealed unsafe partial class ExtentScannerTests : IDisposable
{
    private const ulong PageBytes = 4096;
    private const int Pages = (64 << 20) / (int)PageBytes;
    private const int PROT_READ_WRITE = 3;
    private const int MAP_PRIVATE_ANONYMOUS = 0x22;
    private const int MADV_NOHUGEPAGE = 15;

    private readonly byte* _memory;

    public ExtentScannerTests()
    {
        _memory = (byte*)MMap(0, Pages * (nuint)PageBytes, PROT_READ_WRITE, MAP_PRIVATE_ANONYMOUS, -1, 0);
        Assert.Equal(0, MAdvise((nint)_memory, Pages * (nuint)PageBytes, MADV_NOHUGEPAGE));
    }

    public void Dispose() => _ = MUnmap((nint)_memory, Pages * (nuint)PageBytes);

    /// <summary>The scanner asks for 1024 regions at once: fewer, as many, a few more, and again.</summary>
    [RootTheory]
    [InlineData(8, Pages)]
    [InlineData(8, 1023 * 8)]
    [InlineData(8, 1024 * 8)]
    [InlineData(8, (1024 * 8) + 1)]
    [InlineData(8, 1025 * 8)]
    [InlineData(2, Pages)]
    [InlineData(2, 2048)]
    [InlineData(2, 2049)]
    [InlineData(2, 4096)]
    [InlineData(3, 3073)]
    [InlineData(1, Pages)]
    [InlineData(Pages + 1, Pages)]
    public void Scan_OfScatteredPages_FindsThemAsThePagemapDoes(int every, int until)
    {
        for (var page = 0; page < until; page += every)
        {
            _memory[page * (int)PageBytes] = 1;
        }

        var there = There();
        Assert.Equal(Enumerable.Range(0, Pages).Where(page => page < until && page % every == 0), there);
        foreach (var without in new[] { false, true })
        {
            using var scanner = new ExtentScanner(Environment.ProcessId) { WithoutScan = without };
            AssertSame(there, Scan(scanner, 0, Pages));
        }
    }

    /// <summary>A mapping's areas follow each other in one list.</summary>
    [RootTheory]
    [InlineData(4096)]
    [InlineData(8192)]
    [InlineData(8193)]
    public void Scan_OfAreasOneAfterTheOther_LosesAndRepeatsNothing(int border)
    {
        var random = new Random(4711);
        for (var page = 0; page < Pages; page++)
        {
            if (random.Next(3) == 0)
            {
                _memory[page * (int)PageBytes] = 1;
            }
        }

        using var scanner = new ExtentScanner(Environment.ProcessId);
        var extents = Scan(scanner, 0, border);
        scanner.Scan(Area(border, Pages), extents);
        AssertSame(There(), extents);
    }

    /// <summary>What was only read is the zero page.</summary>
    [RootFact]
    public void Scan_OfPagesThatWereOnlyRead_FindsNone()
    {
        var sum = 0;
        for (var page = 0; page < Pages; page += 2)
        {
            sum += Volatile.Read(ref _memory[page * (int)PageBytes]);
        }

        _memory[5000 * (int)PageBytes] = 1;
        using var scanner = new ExtentScanner(Environment.ProcessId);
        AssertSame([5000], Scan(scanner, 0, Pages));
        Assert.Equal(0, sum);
    }

    private List<Extent> Scan(ExtentScanner scanner, int first, int end)
    {
        var extents = new List<Extent>();
        scanner.Scan(Area(first, end), extents);
        return extents;
    }

    private MemoryArea Area(int first, int end) =>
        new() { Start = (ulong)_memory + ((ulong)first * PageBytes), End = (ulong)_memory + ((ulong)end * PageBytes), Readable = true, Writable = true };

    /// <summary>By the present bit of /proc/self/pagemap, or the swapped one.</summary>
    private int[] There()
    {
        using var pagemap = File.OpenHandle("/proc/self/pagemap");
        var entries = new byte[Pages * sizeof(ulong)];
        Assert.Equal(entries.Length, RandomAccess.Read(pagemap, entries, (long)((ulong)_memory / PageBytes * sizeof(ulong))));
        return [.. Enumerable.Range(0, Pages).Where(page => BinaryPrimitives.ReadUInt64LittleEndian(entries.AsSpan(page * sizeof(ulong))) >> 62 != 0)];
    }

    private void AssertSame(IEnumerable<int> pages, List<Extent> extents)
    {
        Assert.All(extents.Zip(extents.Skip(1)), pair => Assert.True(pair.First.Address + pair.First.Bytes < pair.Second.Address, "ascending, apart"));
        var found = extents.SelectMany(extent => Enumerable.Range((int)((extent.Address - (ulong)_memory) / PageBytes), (int)(extent.Bytes / PageBytes)));
        Assert.Equal(pages, found);
    }

    [LibraryImport("libc", EntryPoint = "mmap", SetLastError = true)]
    private static partial nint MMap(nint address, nuint bytes, int protection, int flags, int descriptor, nint offset);

    [LibraryImport("libc", EntryPoint = "munmap", SetLastError = true)]
    private static partial int MUnmap(nint address, nuint bytes);

    [LibraryImport("libc", EntryPoint = "madvise", SetLastError = true)]
    private static partial int MAdvise(nint address, nuint bytes, int advice);
}
