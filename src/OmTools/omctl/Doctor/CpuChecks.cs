using System.Buffers.Binary;
using System.Globalization;
using System.Runtime.Intrinsics.X86;
using System.Security.Cryptography;

namespace OpenMosix.Tools.Ctl.Doctor;

/// <summary>The CPU: a body moves only to a node that has all of its features.</summary>
internal static class CpuChecks
{
    private const int FeatureLeaf = 7;
    private const int XsaveLeaf = 0xd;

    public static IEnumerable<Check> All { get; } =
    [
        new("cpu", true, "x86-64 with XSAVE", Cpu),
        new("avx", false, "programs compiled for x86-64-v3", () => Flag(1, 'c', 28)),
        new("avx2", false, "programs compiled for x86-64-v3", () => Flag(FeatureLeaf, 'b', 5)),
        new("avx512f", false, "programs compiled for x86-64-v4; a job that uses it moves only between nodes that have it", () => Flag(FeatureLeaf, 'b', 16)),
        new("amx-tile", false, "programs that use AMX", () => Flag(FeatureLeaf, 'd', 24)),
        new("xsaves", false, "compact saving of registers by the kernel", () => Flag(XsaveLeaf, 'a', 3, 1)),
        new("vdso", true, "the kernel's code in every process; nodes with the same hash need no redirection", Vdso),
    ];

    private static Finding Cpu()
    {
        if (!X86Base.IsSupported)
            return Finding.Missing(System.Runtime.InteropServices.RuntimeInformation.ProcessArchitecture.ToString());
        (int _, int b, int c, int d) = X86Base.CpuId(0, 0);
        Span<byte> vendor = stackalloc byte[12];
        BinaryPrimitives.WriteInt32LittleEndian(vendor, b);
        BinaryPrimitives.WriteInt32LittleEndian(vendor[4..], d);
        BinaryPrimitives.WriteInt32LittleEndian(vendor[8..], c);
        bool osxsave = (X86Base.CpuId(1, 0).Ecx >> 27 & 1) != 0;
        int bytes = osxsave ? X86Base.CpuId(XsaveLeaf, 0).Ebx : 0;
        return Finding.Of(osxsave, string.Create(CultureInfo.InvariantCulture, $"{System.Text.Encoding.ASCII.GetString(vendor)}, xsave of {bytes} bytes"));
    }

    private static Finding Flag(int leaf, char register, int bit, int subleaf = 0)
    {
        if (!X86Base.IsSupported || X86Base.CpuId(0, 0).Eax < leaf)
            return Finding.Missing();
        (int a, int b, int c, int d) = X86Base.CpuId(leaf, subleaf);
        int word = register switch { 'a' => a, 'b' => b, 'c' => c, _ => d };
        return Finding.Of((word >> bit & 1) != 0);
    }

    // Read through /proc/self/mem: the range is the kernel's, and this way no pointer is needed.
    private static Finding Vdso()
    {
        string? line = File.ReadLines("/proc/self/maps").FirstOrDefault(l => l.EndsWith("[vdso]", StringComparison.Ordinal));
        if (line is null)
            return Finding.Missing("not mapped (vdso=0 on the kernel's command line)");
        string[] range = line[..line.IndexOf(' ')].Split('-');
        long start = long.Parse(range[0], NumberStyles.HexNumber, CultureInfo.InvariantCulture);
        var bytes = new byte[long.Parse(range[1], NumberStyles.HexNumber, CultureInfo.InvariantCulture) - start];
        using FileStream memory = File.OpenRead("/proc/self/mem");
        memory.Position = start;
        memory.ReadExactly(bytes);
        return Finding.Ok($"{bytes.Length} bytes, sha256 {Convert.ToHexStringLower(SHA256.HashData(bytes))[..16]}");
    }
}
