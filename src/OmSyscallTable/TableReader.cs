using System.Globalization;

namespace OpenMosix.Tables;

/// <summary>Reads syscalls.tbl (its head says how a line reads) and what it includes. Any mistake is a <see cref="TableException"/>.</summary>
public static class TableReader
{
    private static readonly string[] Restarts = ["-", "sys", "nointr", "nohand", "eintr"];
    private static readonly string[] PlainFlags = ["reissue", "asked", "mirror", "sum"];
    private static readonly string[] NumberFlags = ["ms", "timespec", "timeval", "socket"];

    public static IReadOnlyList<Entry> Read(string path)
    {
        var entries = new List<Entry>();
        ReadFile(path, entries);
        return entries;
    }

    private static void ReadFile(string path, List<Entry> entries)
    {
        var lines = File.ReadAllLines(path);
        for (var i = 0; i < lines.Length; i++)
        {
            var line = lines[i].Trim();
            if (line.Length == 0 || line[0] == '#')
            {
                continue;
            }
            try
            {
                if (line.StartsWith("@include ", StringComparison.Ordinal))
                {
                    ReadFile(Path.Combine(Path.GetDirectoryName(path)!, line[9..].Trim()), entries);
                }
                else
                {
                    Add(entries, ReadLine(line, entries));
                }
            }
            catch (FormatException e)
            {
                throw new TableException($"{path}:{i + 1}: {e.Message}");
            }
        }
    }

    private static void Add(List<Entry> entries, Entry entry)
    {
        if (entry.Conditions.Count > 0)
        {
            var call = entries[^1];
            entries[^1] = call with { Variants = [.. call.Variants, entry] };
            return;
        }
        if (entries.Count > 0 && entries[^1].Number >= entry.Number)
        {
            throw new FormatException($"{entry.Number} follows {entries[^1].Number}");
        }
        entries.Add(entry);
    }

    private static Entry ReadLine(string line, List<Entry> entries)
    {
        var columns = line.Split('|');
        var head = columns[0].Split(' ', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        if (head.Length is < 3 or > 5 || columns.Length > 3)
        {
            throw new FormatException("a line is NUMBER NAME SIDE RESTART FLAGS | ARGUMENTS | NOTE");
        }
        var restart = head.Length > 3 ? head[3] : "-";
        if (!Restarts.Contains(restart))
        {
            throw new FormatException($"restart class {restart}");
        }
        var flags = head.Length > 4 && head[4] != "-" ? head[4].Split(',') : [];
        var entry = new Entry(0, head[1], ReadSide(head[2]))
        {
            Restart = restart,
            Flags = flags,
            Arguments = ArgumentParser.ParseList(columns.Length > 1 ? columns[1] : ""),
            Note = columns.Length > 2 ? columns[2].Trim() : "",
        };
        CheckFlags(entry);
        if (!head[0].StartsWith('.'))
        {
            return entry with { Number = int.Parse(head[0], CultureInfo.InvariantCulture) };
        }
        if (entries.Count == 0)
        {
            throw new FormatException("a variant of nothing");
        }
        return entry with
        {
            Number = entries[^1].Number,
            Conditions = [.. head[0][1..].Split(',').Select(ReadCondition)],
            ConditionText = head[0][1..],
        };
    }

    private static void CheckFlags(Entry entry)
    {
        foreach (var flag in entry.Flags)
        {
            var name = flag.Split('=')[0];
            if (!PlainFlags.Contains(flag) && !NumberFlags.Contains(name) && name != "errno")
            {
                throw new FormatException($"flag {flag}");
            }
        }
        if (entry.Side == Side.Refuse != (entry.Flag("errno") is not null))
        {
            throw new FormatException("refuse and errno= belong together");
        }
        if (entry.Arguments.Count > 6)
        {
            throw new FormatException("more than six arguments");
        }
        var forwarded = entry.Side == Side.Home || entry.Flag("asked") is not null || entry.Flag("mirror") is not null;
        if (forwarded && entry.Arguments.Any(a => a.Kind == ArgumentKind.Opaque))
        {
            throw new FormatException("an argument that is not described cannot be forwarded");
        }
    }

    private static Side ReadSide(string text) => text switch
    {
        "local" => Side.Local,
        "home" => Side.Home,
        "both" => Side.Both,
        "go-home" => Side.GoHome,
        "refuse" => Side.Refuse,
        _ => throw new FormatException($"side {text}"),
    };

    private static Condition ReadCondition(string text)
    {
        if (!text.StartsWith("arg", StringComparison.Ordinal) || text.Length < 6 || text[3] is < '0' or > '5')
        {
            throw new FormatException($"condition {text}");
        }
        var argument = text[3] - '0';
        var test = text[4..];
        if (test.StartsWith("==", StringComparison.Ordinal))
        {
            return new Condition(argument, ulong.MaxValue, ReadNumber(test[2..]), Wide: true);
        }
        if (test[0] == '=')
        {
            return new Condition(argument, uint.MaxValue, (uint)ReadNumber(test[1..]), Wide: false);
        }
        if (test[0] == '&')
        {
            var bits = (uint)ReadNumber(test[1..]);
            return new Condition(argument, bits, bits, Wide: false);
        }
        var parts = test[0] == '/' ? test[1..].Split('=') : [];
        return parts.Length == 2
            ? new Condition(argument, (uint)ReadNumber(parts[0]), (uint)ReadNumber(parts[1]), Wide: false)
            : throw new FormatException($"condition {text}");
    }

    private static ulong ReadNumber(string text) => text.StartsWith("0x", StringComparison.Ordinal)
        ? ulong.Parse(text.AsSpan(2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture)
        : unchecked((ulong)long.Parse(text, CultureInfo.InvariantCulture));
}
