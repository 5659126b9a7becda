using System.Buffers.Binary;
using System.Runtime.Intrinsics.X86;
using System.Text;

namespace OpenMosix.Checkpoint.Cpu;

/// <summary>
/// What this CPU can do for a program: the CPUID words of Cpu.features, in the order of Words, and the names of the bits that a program can pick up.
/// Bits that only a kernel uses are not compared.
/// </summary>
public static class CpuFeatures
{
    private enum Register
    {
        Eax,
        Ebx,
        Ecx,
        Edx,
    }

    private static readonly (uint Leaf, uint Sub, Register Register)[] Words =
    [
        (1, 0, Register.Edx), (1, 0, Register.Ecx), (7, 0, Register.Ebx), (7, 0, Register.Ecx), (7, 0, Register.Edx),
        (7, 1, Register.Eax), (0x8000_0001, 0, Register.Ecx), (0xd, 1, Register.Eax),
    ];

    private static readonly (int Bit, string Name)[][] Names =
    [
        [(0, "fpu"), (8, "cx8"), (15, "cmov"), (19, "clflush"), (23, "mmx"), (24, "fxsr"), (25, "sse"), (26, "sse2")],
        [(0, "sse3"), (1, "pclmulqdq"), (9, "ssse3"), (12, "fma"), (13, "cx16"), (19, "sse4_1"), (20, "sse4_2"), (22, "movbe"),
            (23, "popcnt"), (25, "aes"), (26, "xsave"), (28, "avx"), (29, "f16c"), (30, "rdrand")],
        [(0, "fsgsbase"), (3, "bmi1"), (4, "hle"), (5, "avx2"), (8, "bmi2"), (9, "erms"), (11, "rtm"), (16, "avx512f"), (17, "avx512dq"),
            (18, "rdseed"), (19, "adx"), (21, "avx512ifma"), (23, "clflushopt"), (24, "clwb"), (26, "avx512pf"), (27, "avx512er"),
            (28, "avx512cd"), (29, "sha_ni"), (30, "avx512bw"), (31, "avx512vl")],
        [(0, "prefetchwt1"), (1, "avx512vbmi"), (4, "ospke"), (5, "waitpkg"), (6, "avx512_vbmi2"), (8, "gfni"), (9, "vaes"),
            (10, "vpclmulqdq"), (11, "avx512_vnni"), (12, "avx512_bitalg"), (14, "avx512_vpopcntdq"), (22, "rdpid"), (25, "cldemote"),
            (27, "movdiri"), (28, "movdir64b")],
        [(2, "avx512_4vnniw"), (3, "avx512_4fmaps"), (4, "fsrm"), (8, "avx512_vp2intersect"), (14, "serialize"), (16, "tsxldtrk"),
            (22, "amx_bf16"), (23, "avx512_fp16"), (24, "amx_tile"), (25, "amx_int8")],
        [(4, "avx_vnni"), (5, "avx512_bf16"), (7, "cmpccxadd"), (10, "fzrm"), (11, "fsrs"), (12, "fsrc"), (23, "avx_ifma")],
        [(0, "lahf_lm"), (5, "abm"), (6, "sse4a"), (7, "misalignsse"), (8, "3dnowprefetch"), (11, "xop"), (16, "fma4"), (21, "tbm")],
        [(0, "xsaveopt"), (1, "xsavec"), (2, "xgetbv1")],
    ];

    public static string Vendor { get; } = ReadVendor();

    public static byte[] Read()
    {
        var bytes = new byte[Words.Length * sizeof(uint)];
        for (var i = 0; i < Words.Length; i++)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(i * sizeof(uint)), Word(Words[i]));
        }

        return bytes;
    }

    /// <summary>Names of what `needed` has and `offered` has not. A word that one side does not know counts as none of it.</summary>
    public static IReadOnlyList<string> Missing(ReadOnlySpan<byte> needed, ReadOnlySpan<byte> offered)
    {
        var missing = new List<string>();
        for (var word = 0; word < Names.Length; word++)
        {
            var lacking = At(needed, word) & ~At(offered, word);
            missing.AddRange(Names[word].Where(name => (lacking & (1u << name.Bit)) != 0).Select(name => name.Name));
        }

        return missing;
    }

    private static uint At(ReadOnlySpan<byte> words, int index) => words.Length >= (index + 1) * sizeof(uint)
        ? BinaryPrimitives.ReadUInt32LittleEndian(words[(index * sizeof(uint))..])
        : 0;

    private static uint Word((uint Leaf, uint Sub, Register Register) word)
    {
        var highest = (uint)X86Base.CpuId((int)(word.Leaf & 0x8000_0000), 0).Eax;
        if (word.Leaf > highest)
        {
            return 0;
        }

        var (eax, ebx, ecx, edx) = X86Base.CpuId((int)word.Leaf, (int)word.Sub);
        return (uint)(word.Register switch { Register.Eax => eax, Register.Ebx => ebx, Register.Ecx => ecx, _ => edx });
    }

    private static string ReadVendor()
    {
        var (_, ebx, ecx, edx) = X86Base.CpuId(0, 0);
        Span<byte> text = stackalloc byte[12];
        BinaryPrimitives.WriteInt32LittleEndian(text, ebx);
        BinaryPrimitives.WriteInt32LittleEndian(text[4..], edx);
        BinaryPrimitives.WriteInt32LittleEndian(text[8..], ecx);
        return Encoding.ASCII.GetString(text);
    }
}
