using System.Globalization;
using System.Text;

namespace OpenMosix.Tables;

/// <summary>om_syscalls.inc: the arrays behind om_syscalls.h.</summary>
public static class NativeTables
{
    public static string ToInclude(IReadOnlyList<Entry> entries)
    {
        var all = entries.Concat(entries.SelectMany(e => e.Variants)).ToList();
        var arguments = new StringBuilder();
        var firstArgument = new Dictionary<string, int>();
        var argumentCount = 0;
        foreach (var entry in all.Where(e => e.Arguments.Count > 0))
        {
            if (!firstArgument.TryAdd(ArgumentKey(entry), argumentCount))
            {
                continue;
            }
            argumentCount += entry.Arguments.Count;
            foreach (var argument in entry.Arguments)
            {
                arguments.Append(CultureInfo.InvariantCulture,
                    $"\t{{ {(int)argument.Kind}, {(int)argument.Flags}, {(int)argument.SizeKind}, {argument.SizeArgument}, {(int)argument.Cut}, {argument.CutScale}, {argument.Base}, {argument.Size} }}, /* {argument.Text} */\n");
            }
        }

        var table = new StringBuilder();
        var variants = new StringBuilder();
        int variantCount = 0, variantEntry = entries.Count;
        foreach (var entry in entries)
        {
            AppendEntry(table, entry, entry.Name, firstArgument, variantCount);
            foreach (var variant in entry.Variants)
            {
                AppendVariant(variants, variant, variantEntry++);
                variantCount++;
            }
        }
        foreach (var entry in entries)
        {
            foreach (var variant in entry.Variants)
            {
                AppendEntry(table, variant, $"{entry.Name} {variant.Name}", firstArgument, 0);
            }
        }

        var byNumber = Enumerable.Repeat(ushort.MaxValue, entries[^1].Number + 1).ToArray();
        for (var i = 0; i < entries.Count; i++)
        {
            byNumber[entries[i].Number] = (ushort)i;
        }
        return $$"""
            /* Generated from syscalls.tbl. */
            static const struct om_argument om_arguments[] = {
            {{arguments}}};

            static const struct om_syscall om_entries[] = {
            {{table}}};

            static const struct om_variant om_variants[] = {
            {{variants}}};

            static const uint16_t om_by_number[] = { {{string.Join(", ", byNumber)}} };

            """;
    }

    private static string ArgumentKey(Entry entry) => string.Join(',', entry.Arguments.Select(a => a.Text));

    private static void AppendEntry(StringBuilder table, Entry entry, string name, Dictionary<string, int> firstArgument, int firstVariant)
    {
        var first = entry.Arguments.Count > 0 ? firstArgument[ArgumentKey(entry)] : 0;
        var (timeoutKind, timeoutArgument) = Timeout(entry);
        table.Append(CultureInfo.InvariantCulture,
            $"\t{{ \"{name}\", {entry.Number}, {(int)entry.Side}, {FlagBits(entry)}, {entry.RestartErrno}, {Errno(entry)}, {timeoutKind}, {timeoutArgument}, {entry.Arguments.Count}, {entry.Flag("socket") ?? "255"}, {first}, {firstVariant}, {entry.Variants.Count} }},\n");
    }

    private static void AppendVariant(StringBuilder variants, Entry variant, int entry)
    {
        var tests = string.Join(", ", variant.Conditions.Select(c => $"{{ {c.Argument}, 0x{c.Mask:x}ull, 0x{c.Value:x}ull }}"));
        variants.Append(CultureInfo.InvariantCulture, $"\t{{ {entry}, {variant.Conditions.Count}, {{ {tests} }} }},\n");
    }

    /// <summary><c>OM_SYSCALL_*</c>.</summary>
    private static int FlagBits(Entry entry) =>
        (entry.Flag("reissue") is null ? 0 : 1) | (entry.Flag("asked") is null ? 0 : 2) | (entry.Flag("mirror") is null ? 0 : 4) |
        (entry.Flag("sum") is null ? 0 : 8);

    private static int Errno(Entry entry) => entry.Flag("errno") switch
    {
        null => 0,
        "EPERM" => 1,
        "EINVAL" => 22,
        "ENOSYS" => 38,
        var name => throw new TableException($"{entry.Name}: errno {name} has no number here"),
    };

    private static (int Kind, string Argument) Timeout(Entry entry) =>
        entry.Flag("ms") is { } ms ? (1, ms)
        : entry.Flag("timespec") is { } timespec ? (2, timespec)
        : entry.Flag("timeval") is { } timeval ? (3, timeval)
        : (0, "0");
}
