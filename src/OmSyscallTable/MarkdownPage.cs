using System.Globalization;
using System.Text;

namespace OpenMosix.Tables;

/// <summary>SYSCALLS.md: the table for people.</summary>
public static class MarkdownPage
{
    private static readonly (Side Side, string Name, string Meaning)[] Sides =
    [
        (Side.Local, "local", "runs in the remote at full speed"),
        (Side.Home, "home", "forwarded to the deputy"),
        (Side.Both, "both", "done on both sides: conducted by the warden, or (sum, mirror) forwarded and then completed here"),
        (Side.GoHome, "go-home", "the body is brought home first and issues the call natively"),
        (Side.Refuse, "refuse", "answered with an error, counted by name"),
    ];

    public static string ToText(IReadOnlyList<Entry> entries)
    {
        var text = new StringBuilder("""
            # The system calls of a body that is away

            <!-- Generated from syscalls.tbl and ioctl.tbl: `make syscalls-page`. A test fails when this page is stale. -->

            Every x86-64 call of Linux 6.18. A number that is not listed is refused with ENOSYS and counted. A line with a dot is a variant
            of the call above it, told apart by its arguments. How arguments are written: the head of `syscalls.tbl`.


            """);
        text.Append("| side | calls | variants | meaning |\n|---|---|---|---|\n");
        foreach (var (side, name, meaning) in Sides)
        {
            var calls = entries.Count(e => e.Side == side);
            var variants = entries.SelectMany(e => e.Variants).Count(v => v.Side == side);
            text.Append(CultureInfo.InvariantCulture, $"| {name} | {calls} | {variants} | {meaning} |\n");
        }
        text.Append("\n| number | call | side | restart | arguments | note |\n|---|---|---|---|---|---|\n");
        foreach (var entry in entries)
        {
            AppendRow(text, entry, entry.Number.ToString(CultureInfo.InvariantCulture), entry.Name);
            foreach (var variant in entry.Variants)
            {
                AppendRow(text, variant, "", $". {variant.Name} ({variant.ConditionText})");
            }
        }
        text.Append("""

            ## Adding a call

            1. One line in `syscalls.tbl`: number, name, side. When in doubt `go-home` is right: slow, never wrong.
            2. For `home`, its arguments. Sizes come from the kernel's `SYSCALL_DEFINE` and its `copy_from_user`/`copy_to_user`, not from the C library.
               What the kernel may leave unwritten is `io`, or cut with `!ret`, `!len`, `!pos`: other bytes of the arena must not reach the body.
            3. A call that can wait: its restart class (what the kernel returns inside, `ERESTART*`), and `reissue` when EINTR means that nothing happened.
            4. A relative timeout: `ms=`, `timespec=` or `timeval=`.
            5. A structure that points to further memory needs code in `om_marshal_*.c` and `om_place.c`; without it: `go-home`.
            6. `make syscalls-page`, and a case in `tests/OmProtocol.Tests/native`.

            """);
        return text.ToString();
    }

    private static void AppendRow(StringBuilder text, Entry entry, string number, string name)
    {
        var side = Sides.First(s => s.Side == entry.Side).Name;
        var restart = entry.Restart == "-" ? "" : entry.Restart;
        var arguments = string.Join(", ", entry.Arguments.Select(a => a.Text));
        var error = entry.Flag("errno") is { } errno ? $"{errno}. " : "";
        text.Append(CultureInfo.InvariantCulture,
            $"| {number} | {name.Replace("|", "\\|", StringComparison.Ordinal)} | {side} | {restart} | {(arguments.Length > 0 ? $"`{arguments}`" : "")} | {error}{entry.Note} |\n");
    }
}
