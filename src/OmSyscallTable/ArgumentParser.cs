using System.Globalization;
using System.Text.RegularExpressions;

namespace OpenMosix.Tables;

/// <summary>Reads the column of arguments. A size that names another argument takes its width from that one's type.</summary>
public static partial class ArgumentParser
{
    private static readonly string[] Narrow = ["fd", "file", "int", "uint", "mode", "pid", "uid", "dev", "flags", "cmd"];
    private static readonly string[] Wide = ["long", "ulong", "size", "off", "addr", "u64"];

    public static IReadOnlyList<Argument> ParseList(string column)
    {
        var texts = column.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
        return [.. texts.Select(text => Parse(text, texts))];
    }

    private static Argument Parse(string text, string[] all)
    {
        if (Narrow.Contains(text) || Wide.Contains(text))
        {
            return new Argument(text, text == "file" ? ArgumentKind.File : ArgumentKind.Value);
        }
        var colon = text.IndexOf(':', StringComparison.Ordinal);
        var word = colon < 0 ? text : text[..colon];
        var size = colon < 0 ? "" : text[(colon + 1)..];
        return word switch
        {
            "pos" => new Argument(text, ArgumentKind.Position),
            "bad" => new Argument(text, ArgumentKind.Bad),
            "ptr" or "argv" => new Argument(text, ArgumentKind.Opaque),
            "path" => new Argument(text, ArgumentKind.String) { Flags = ArgumentFlags.In, Size = 4096 },
            "str" => new Argument(text, ArgumentKind.String) { Flags = ArgumentFlags.In, Size = Number(size) },
            "in" => Memory(text, size, all, ArgumentFlags.In),
            "in?" => Memory(text, size, all, ArgumentFlags.In | ArgumentFlags.BestEffort),
            "out" => Memory(text, size, all, ArgumentFlags.Out),
            "inout" => Memory(text, size, all, ArgumentFlags.In | ArgumentFlags.Out),
            "io" => Memory(text, size, all, ArgumentFlags.In | ArgumentFlags.Out | ArgumentFlags.BestEffort),
            "bulk-in" => Counted(text, size, all, ArgumentKind.Bulk, ArgumentFlags.In),
            "bulk-out" => Counted(text, size, all, ArgumentKind.Bulk, ArgumentFlags.Out),
            "iov-in" => Counted(text, size, all, ArgumentKind.Iov, ArgumentFlags.In),
            "iov-out" => Counted(text, size, all, ArgumentKind.Iov, ArgumentFlags.Out),
            "mmsg-in" => Counted(text, size, all, ArgumentKind.Mmsg, ArgumentFlags.In),
            "mmsg-out" => Counted(text, size, all, ArgumentKind.Mmsg, ArgumentFlags.Out),
            "msg-in" => new Argument(text, ArgumentKind.Msg) { Flags = ArgumentFlags.In },
            "msg-out" => new Argument(text, ArgumentKind.Msg) { Flags = ArgumentFlags.Out },
            "sigmask" => Counted(text, size, all, ArgumentKind.SignalMask, ArgumentFlags.In),
            "sigmask6" => new Argument(text, ArgumentKind.SignalMask6) { Flags = ArgumentFlags.In },
            "fdset" => Counted(text, size, all, ArgumentKind.Memory, ArgumentFlags.In | ArgumentFlags.Out | ArgumentFlags.BestEffort) with
            {
                SizeKind = SizeKind.FdSet,
            },
            // Size: the index in om_references[] (om_argument.c).
            "fprog" => new Argument(text, ArgumentKind.Reference) { Flags = ArgumentFlags.In, Size = 0 },
            "xattr-in" => new Argument(text, ArgumentKind.Reference) { Flags = ArgumentFlags.In, Size = 1 },
            "xattr-out" => new Argument(text, ArgumentKind.Reference) { Flags = ArgumentFlags.In, Size = 2 },
            "ifconf" => new Argument(text, ArgumentKind.Reference) { Flags = ArgumentFlags.In | ArgumentFlags.Out, Size = 3 },
            _ => throw new FormatException($"argument {text}"),
        };
    }

    private static Argument Counted(string text, string size, string[] all, ArgumentKind kind, ArgumentFlags flags)
    {
        var index = ArgumentIndex(size);
        return new Argument(text, kind) { Flags = flags, SizeKind = Width(index, all), SizeArgument = index };
    }

    private static Argument Memory(string text, string expression, string[] all, ArgumentFlags flags)
    {
        var parts = expression.Split('!');
        var match = SizeExpression().Match(parts[0]);
        if (!match.Success)
        {
            throw new FormatException($"size {parts[0]}");
        }
        var what = match.Groups["what"].Value;
        var argument = new Argument(text, ArgumentKind.Memory)
        {
            Flags = flags,
            Base = match.Groups["base"].Success ? Number(match.Groups["base"].Value) : 0,
            Size = match.Groups["scale"].Success ? Number(match.Groups["scale"].Value) : 1,
        };
        argument = what switch
        {
            "ioc" => argument with { SizeKind = SizeKind.Ioctl, SizeArgument = 1 },
            "cap" => argument with { SizeKind = SizeKind.Capability, SizeArgument = 0 },
            ['*', ..] => argument with { SizeKind = SizeKind.Behind, SizeArgument = ArgumentIndex(what[1..]) },
            ['@', .. var at, 'h'] => argument with { SizeKind = SizeKind.Self16, SizeArgument = (int)Number(at) },
            ['@', .. var at, 'q'] => argument with { SizeKind = SizeKind.Self64, SizeArgument = (int)Number(at) },
            ['@', .. var at] => argument with { SizeKind = SizeKind.Self32, SizeArgument = (int)Number(at) },
            ['a', ..] => argument with { SizeKind = Width(ArgumentIndex(what), all), SizeArgument = ArgumentIndex(what) },
            _ => argument with { SizeKind = SizeKind.Fixed, Size = Number(what) },
        };
        return parts.Skip(1).Aggregate(argument, Cut);
    }

    private static Argument Cut(Argument argument, string cut) => cut switch
    {
        "ret" => argument with { Cut = CutKind.Returned },
        "len" when argument.SizeKind == SizeKind.Behind => argument with { Cut = CutKind.Length },
        "pos" => argument with { Cut = CutKind.Positive },
        "always" => argument with { Flags = argument.Flags | ArgumentFlags.Always },
        _ when cut.StartsWith("ret*", StringComparison.Ordinal) => argument with { Cut = CutKind.Returned, CutScale = Number(cut[4..]) },
        _ => throw new FormatException($"cut {cut}"),
    };

    private static SizeKind Width(int index, string[] all)
    {
        var type = index < all.Length ? all[index] : "nothing";
        return Narrow.Contains(type) ? SizeKind.Argument32
            : Wide.Contains(type) ? SizeKind.Argument64
            : throw new FormatException($"argument {index} is {type}: not a size");
    }

    private static int ArgumentIndex(string text) => text.Length == 4 && text.StartsWith("arg", StringComparison.Ordinal) && text[3] is >= '0' and <= '5'
        ? text[3] - '0'
        : throw new FormatException($"{text}: not an argument");

    private static uint Number(string text) => uint.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number)
        ? number
        : throw new FormatException($"{text}: not a number");

    [GeneratedRegex(@"^((?<base>\d+)\+)?(?<what>\d+|\*?arg[0-5]|@\d+[hq]?|cap|ioc)(\*(?<scale>\d+))?$")]
    private static partial Regex SizeExpression();
}
