using System.Buffers.Binary;
using System.Globalization;
using System.Text;

namespace OpenMosix.Tables;

/// <summary>One instruction of classic BPF.</summary>
public readonly record struct FilterInstruction(ushort Code, byte True, byte False, uint K);

/// <summary>
/// The seccomp filter of a remote. Local calls are allowed; every other goes to the listener, so that the warden refuses by name
/// and counts. The kernel caches per number what is allowed whatever its arguments (since 5.11), so the tree below is walked for the others only,
/// and for calls whose arguments decide.
/// </summary>
public static class SeccompFilter
{
    public const uint Allow = 0x7fff0000;
    public const uint UserNotify = 0x7fc00000;
    public const uint KillProcess = 0x80000000;
    public const uint NoSuchCall = 0x00050000 | 38;

    private const ushort LoadWord = 0x20, JumpAlways = 0x05, JumpEqual = 0x15, JumpGreaterOrEqual = 0x35, And = 0x54, Return = 0x06;
    private const uint OffsetNumber = 0, OffsetArchitecture = 4, OffsetArguments = 16;
    private const uint ArchitectureX8664 = 0xc000003e, X32Bit = 0x40000000;

    private sealed record Range(uint Start, IReadOnlyList<FilterInstruction> Code);

    public static IReadOnlyList<FilterInstruction> Compile(IReadOnlyList<Entry> entries)
    {
        var ranges = Ranges(entries);
        return
        [
            new(LoadWord, 0, 0, OffsetArchitecture),
            new(JumpEqual, 1, 0, ArchitectureX8664),
            new(Return, 0, 0, KillProcess),
            new(LoadWord, 0, 0, OffsetNumber),
            new(JumpGreaterOrEqual, 0, 1, X32Bit),
            new(Return, 0, 0, NoSuchCall),
            .. Tree(ranges, 0, ranges.Count),
        ];
    }

    public static string ToInclude(IReadOnlyList<Entry> entries)
    {
        var text = new StringBuilder("/* Generated from syscalls.tbl. */\nstatic const struct sock_filter om_syscall_filter[] = {\n");
        foreach (var i in Compile(entries))
        {
            text.Append(CultureInfo.InvariantCulture, $"\t{{ 0x{i.Code:x2}, {i.True}, {i.False}, 0x{i.K:x8} }},\n");
        }
        return text.Append("};\n").ToString();
    }

    /// <summary>The program as the kernel takes it: struct sock_filter[], little endian.</summary>
    public static byte[] ToBytes(IReadOnlyList<Entry> entries)
    {
        var program = Compile(entries);
        var bytes = new byte[program.Count * 8];
        for (var i = 0; i < program.Count; i++)
        {
            BinaryPrimitives.WriteUInt16LittleEndian(bytes.AsSpan(i * 8), program[i].Code);
            bytes[i * 8 + 2] = program[i].True;
            bytes[i * 8 + 3] = program[i].False;
            BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(i * 8 + 4), program[i].K);
        }
        return bytes;
    }

    private static uint Action(Entry entry) => entry.Side == Side.Local ? Allow : UserNotify;

    private static List<Range> Ranges(IReadOnlyList<Entry> entries)
    {
        var ranges = new List<Range>();
        var next = 0u;
        foreach (var entry in entries)
        {
            if (entry.Number != next)
            {
                Append(ranges, next, [new(Return, 0, 0, UserNotify)]);
            }
            Append(ranges, (uint)entry.Number, Leaf(entry));
            next = (uint)entry.Number + 1;
        }
        Append(ranges, next, [new(Return, 0, 0, UserNotify)]);
        return ranges;
    }

    private static void Append(List<Range> ranges, uint start, IReadOnlyList<FilterInstruction> code)
    {
        if (ranges.Count == 0 || !ranges[^1].Code.SequenceEqual(code))
        {
            ranges.Add(new Range(start, code));
        }
    }

    private static IReadOnlyList<FilterInstruction> Tree(List<Range> ranges, int begin, int end)
    {
        if (end - begin == 1)
        {
            return ranges[begin].Code;
        }
        var middle = (begin + end) / 2;
        var below = Tree(ranges, begin, middle);
        var above = Tree(ranges, middle, end);
        FilterInstruction[] jump = below.Count <= byte.MaxValue
            ? [new(JumpGreaterOrEqual, (byte)below.Count, 0, ranges[middle].Start)]
            : [new(JumpGreaterOrEqual, 0, 1, ranges[middle].Start), new(JumpAlways, 0, 0, (uint)below.Count)];
        return [.. jump, .. below, .. above];
    }

    private static List<FilterInstruction> Leaf(Entry entry)
    {
        var code = new List<FilterInstruction>();
        foreach (var variant in Deciding(entry))
        {
            var tests = variant.Conditions.SelectMany(Test).ToList();
            // Each test jumps behind the variant's own return when it fails.
            for (var i = 0; i < tests.Count; i++)
            {
                code.Add(tests[i].Code == JumpEqual ? tests[i] with { False = (byte)(tests.Count - i) } : tests[i]);
            }
            code.Add(new(Return, 0, 0, Action(variant)));
        }
        code.Add(new(Return, 0, 0, Action(entry)));
        return code;
    }

    /// <summary>Variants without which the filter would decide otherwise.</summary>
    private static IEnumerable<Entry> Deciding(Entry entry)
    {
        for (var i = 0; i < entry.Variants.Count; i++)
        {
            var variant = entry.Variants[i];
            var shadows = entry.Variants.Skip(i + 1)
                .Any(later => Action(later) != Action(entry) && !variant.Conditions.Any(a => later.Conditions.Any(a.Excludes)));
            if (Action(variant) != Action(entry) || shadows)
            {
                yield return variant;
            }
        }
    }

    private static IEnumerable<FilterInstruction> Test(Condition condition)
    {
        var offset = OffsetArguments + (uint)condition.Argument * 8;
        yield return new(LoadWord, 0, 0, offset);
        if ((uint)condition.Mask != uint.MaxValue)
        {
            yield return new(And, 0, 0, (uint)condition.Mask);
        }
        yield return new(JumpEqual, 0, 0, (uint)condition.Value);
        if (condition.Wide)
        {
            yield return new(LoadWord, 0, 0, offset + 4);
            yield return new(JumpEqual, 0, 0, (uint)(condition.Value >> 32));
        }
    }
}
